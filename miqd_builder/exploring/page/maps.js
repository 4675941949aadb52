// Heat maps: distortion x severity, and severity of the ROI x severity of the background.

import { byId, element, fixed, roving, words } from "./elements.js";
import { inRegion, LABELS, REGIONS } from "./labels.js";

const labelWord = (name) => LABELS.find(([key]) => key === name)[1].toLowerCase();
const range = (first, last) => Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);

export function drawMaps(view) {
  const { labels, model, label, sources, state } = view;
  const means = labels.means(model, label, sources);
  drawHeatmap(view, means);
  drawGrid(view, means);
  const who = model ? model.name : "all models (weighted mean)";
  const partly = labels.partial(model, sources)
    ? " Scores of single models are in the page for sources with pictures only." : "";
  byId("maps-note").textContent =
    `Mean ${labelWord(label)} of ${who}, ${sources.length} of ${labels.page.sources.length} sources.${partly} ` +
    `${labels.facts.recipe ? `Recipe ${labels.facts.recipe}. ` : ""}A cell opens its images.`;
  byId("grid-title").textContent = `ROI and background: ${state.get("distortion") ? words(state.get("distortion")) : "all distortions"}`;
}

function drawHeatmap({ labels, state, label }, means) {
  const region = state.get("region");
  const inside = inRegion(region);
  const columns = range(1, labels.severities).filter((k) => labels.kinds.some((kind) => inside(kind) && kind.severity === k));
  const names = labels.distortions.filter((name) => labels.kinds.some((kind) => inside(kind) && kind.distortion === name));
  const caption = `${labelWord(label)} by distortion and severity, ${REGIONS.find(([key]) => key === region)?.[1].toLowerCase()}`;
  const head = ["distortion", ...columns.map(String)].map((name) => element("th", { scope: "col" }, name));
  const rows = names.map((name) => {
    const chosen = (k) => state.get("distortion") === name && state.get("severity") === `${k}`;
    const cells = columns.map((k) => cell(
      labels.pooled(means, (kind) => inside(kind) && kind.distortion === name && kind.severity === k),
      `${words(name)}, severity ${k}`,
      chosen(k),
      () => state.set({ distortion: name, severity: `${k}`, pair: "" }),
    ));
    return element("tr", {}, element("th", { scope: "row" }, words(name)), ...cells);
  });
  put("heatmap", caption, element("tr", {}, ...head), rows);
}

function drawGrid({ labels, state, label }, means) {
  const chosen = state.get("distortion");
  const inside = (kind) => !chosen || kind.distortion === chosen;
  const steps = range(1, labels.severities).filter((k) => labels.kinds.some((kind) => inside(kind) && (kind.roi === k || kind.bg === k)));
  const pairs = labels.kinds.some((kind) => inside(kind) && kind.region !== "uniform");
  byId("grid-note").textContent = pairs
    ? "Rows: severity in the region of interest. Columns: in the background. The diagonal is the whole image."
    : "This run has no degradations of a region.";
  byId("grid").hidden = !pairs;
  const head = ["ROI \\ bg.", ...steps.map(String)].map((name) => element("th", { scope: "col" }, name));
  const rows = steps.map((roi) => {
    const cells = steps.map((bg) => cell(
      labels.pooled(means, (kind) => inside(kind) && kind.roi === roi && kind.bg === bg),
      `ROI ${roi}, background ${bg}`,
      state.get("pair") === `${roi}-${bg}`,
      () => state.set({ pair: `${roi}-${bg}`, severity: "", region: "all" }),
    ));
    return element("tr", {}, element("th", { scope: "row" }, `${roi}`), ...cells);
  });
  put("grid", `${labelWord(label)} by severity in the ROI and in the background`, element("tr", {}, ...head), rows);
}

function put(id, caption, head, rows) {
  const table = element("table", {}, element("caption", {}, caption), element("thead", {}, head), element("tbody", {}, ...rows));
  const old = byId(id).querySelector("button:focus");
  const place = old ? [...byId(id).querySelectorAll("button")].indexOf(old) : -1;
  byId(id).replaceChildren(rows.length ? table : element("p", { class: "note" }, "Nothing passes these filters."));
  if (!rows.length) return;
  roving(table);
  byId(id).querySelectorAll("button")[place]?.focus();
}

function cell({ mean, count }, name, pressed, open) {
  if (!count) return element("td", { class: "none", title: `${name}: no label` }, "-");
  const button = element("button", {
    type: "button",
    "aria-pressed": `${pressed}`,
    "aria-label": `${name}: ${fixed(mean)}, mean of ${count}`,
    title: `${name}: ${fixed(mean)}, mean of ${count}`,
    onclick: () => {
      open();
      openGallery();
    },
  }, fixed(mean, 2));
  const hurt = Math.min(1, Math.max(0, 1 - mean));
  button.style.setProperty("--hurt", hurt.toFixed(3));
  button.dataset.tenths = Math.round(10 * hurt);
  return element("td", {}, button);
}

function openGallery() {
  const title = byId("gallery-title");
  title.focus({ preventScroll: true });
  title.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}
