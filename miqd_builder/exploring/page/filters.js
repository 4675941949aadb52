// The filters above the page.

import { byId, element, select, words } from "./elements.js";
import { REGIONS } from "./labels.js";

export const TASKS = {
  cls: "Classification", det: "Object detection", ins: "Instance segmentation", seg: "Semantic segmentation",
};

/** Build the filters; returns a function that sets them to what is shown. */
export function filterControls(state, page) {
  const controls = {
    task: select("Task", (value) => state.set({ task: value })),
    label: select("Label", (value) => state.set({ label: value })),
    model: select("Model", (value) => state.set({ model: value, ...(value && { predictor: value }) })),
    region: select("Region", (value) => state.set({ region: value, pair: "" })),
    distortion: select("Distortion", (value) => state.set({ distortion: value })),
  };
  const text = element("input", { type: "search", "aria-label": "Source name", placeholder: "a part of it", spellcheck: "false" });
  text.addEventListener("input", () => state.set({ q: text.value }));
  const search = element("label", {}, element("span", {}, "Source name"), text);
  const form = byId("filters");
  form.append(...Object.values(controls).map(({ node }) => node), search);
  form.addEventListener("submit", (event) => event.preventDefault());
  return ({ labels, model, label }) => {
    controls.task.set(page.tasks.map(({ task }) => [task, TASKS[task]]), labels.facts.task);
    controls.label.set(labels.choices(model), label);
    const scorers = labels.scores ? labels.facts.scorers : [];
    controls.model.set([["", "all, weighted mean"], ...scorers.map((name) => [name, name])], model?.name ?? "");
    controls.region.set(REGIONS, state.get("region"));
    controls.distortion.set([["", "all"], ...labels.distortions.map((name) => [name, words(name)])], state.get("distortion"));
    if (text.value !== state.get("q")) text.value = state.get("q");
  };
}
