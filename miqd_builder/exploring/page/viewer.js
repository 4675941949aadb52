// One image beside its original, with what a model predicted in both.

import { byId, checkbox, element, select, slider, words } from "./elements.js";
import { overlay } from "./overlay.js";
import { compare, foundObjects, topClasses, trueObjects } from "./predictions.js";
import { classes, readings } from "./readings.js";

const level = (value) => (value ? `${value}` : "0 (undamaged)");

/** Controls of the viewer; returns a function that sets them to what is shown. */
export function viewerControls(state, page) {
  const yes = (on) => (on ? "yes" : "no");
  const controls = {
    source: select("Source", (value) => state.set({ source: value })),
    shown: select("Distortion shown", (value) => state.set({ shown: value })),
    roi: slider("ROI severity", { min: 0, step: 1, shown: level }, (value) => state.set({ roi: `${value}` })),
    bg: slider("Background severity", { min: 0, step: 1, shown: level }, (value) => state.set({ bg: `${value}` })),
    predictor: select("Predictions of", (value) => state.set({ predictor: value })),
    reference: select("Compared with", (value) => state.set({ reference: value })),
    score: slider("Score from", { min: page.limits.score, step: 0.05, shown: (value) => value.toFixed(2) }, (value) => state.set({ score: `${value}` })),
    boxes: checkbox("boxes and masks", (on) => state.set({ boxes: yes(on) })),
    names: checkbox("names", (on) => state.set({ names: yes(on) })),
  };
  byId("viewer-controls").append(...Object.values(controls).map(({ node }) => node));
  return (view, seen) => {
    const { labels } = view;
    const objects = labels.facts.task !== "cls";
    const sources = labels.page.pictured.map((one) => labels.page.sources[one.source]);
    controls.source.set(sources.map((name) => [name, name]), seen.name);
    controls.shown.set(labels.distortions.map((name) => [name, words(name)]), seen.distortion);
    controls.roi.set(labels.severities, seen.roi);
    controls.bg.set(labels.severities, seen.bg);
    controls.predictor.set(labels.facts.models.map((name) => [name, name]), seen.predictor ?? "");
    controls.reference.set(seen.references.map(([key, shown]) => [key, shown]), seen.reference);
    controls.score.set(1, Number(state.get("score")));
    controls.boxes.set(state.get("boxes") === "yes");
    controls.names.set(state.get("names") === "yes");
    const responses = labels.facts.models.length > 0;
    controls.predictor.node.hidden = !responses;
    controls.reference.node.hidden = !responses;
    for (const name of ["score", "boxes", "names"]) controls[name].node.hidden = !responses || !objects;
    controls.score.node.hidden = controls.score.node.hidden || labels.facts.task === "seg";
  };
}

/** What the viewer shows: from the state, and where it says nothing, the first row of the gallery. */
export function seenOf({ labels, state, pictures }, rows, predictions) {
  const first = rows.find((source) => pictures.has(source));
  const fallback = first ?? { source: labels.page.pictured[0].source, kind: 0 };
  const asked = labels.page.sources.indexOf(state.get("source"));
  const source = pictures.has(asked) ? asked : fallback.source;
  const kind = labels.kinds[fallback.kind];
  const distortion = labels.distortions.includes(state.get("shown")) ? state.get("shown") : kind.distortion;
  const severity = (name) => {
    const value = state.get(name) === "" ? kind[name] : Math.trunc(Number(state.get(name)));
    return Math.min(labels.severities, Math.max(0, value || 0));
  };
  const models = labels.facts.models;
  const predictor = models.includes(state.get("predictor")) ? state.get("predictor") : models[0];
  const truth = predictions.facts.get(source)?.truth;
  const hasTruth = truth !== null && truth !== undefined;
  const references = [...(hasTruth ? [["truth", "ground truth"]] : []), ["own", "its own on the original"]];
  const reference = references.some(([key]) => key === state.get("reference")) ? state.get("reference") : references[0][0];
  return {
    source, name: labels.page.sources[source], distortion, roi: severity("roi"), bg: severity("bg"),
    predictor, number: models.indexOf(predictor), references, reference, hasTruth,
  };
}

/** Draw the pair, its legend and its numbers. */
export function drawPair(view, seen, { truth, models }) {
  const { labels, pictures } = view;
  const original = labels.kinds.length;
  const kind = seen.roi || seen.bg ? labels.kindOf(seen.distortion, seen.roi, seen.bg) : original;
  const layers = pictures.layers(labels, seen.source, seen.distortion, seen.roi, seen.bg);
  byId("viewer-title").textContent = `Original and degraded: ${seen.name}`;
  byId("viewer-note").textContent = note(view, seen, kind, layers);
  const sides = [
    { title: "Original", layers: pictures.layers(labels, seen.source, seen.distortion, 0, 0), kind: original },
    { title: `${words(seen.distortion)}, ROI ${seen.roi}, background ${seen.bg}`, layers, kind },
  ];
  const drawn = sides.map((side) => (labels.facts.task === "cls" ? classSide : objectSide)(view, seen, side, truth, models));
  byId("pair").replaceChildren(...drawn);
  byId("legend").hidden = labels.facts.task === "cls" || !models;
  byId("readings").replaceChildren(...(kind === undefined ? [] : [readings(labels, seen.source, kind)]));
}

function note({ labels }, seen, kind, layers) {
  const parts = [];
  if (kind === undefined) {
    parts.push("The data set has no image of this pair of severities: it has no labels and no predictions.");
    parts.push(layers?.length === 2 ? "The picture is joined from two that it has." : "");
  }
  if (!seen.hasTruth) parts.push("This source has no ground truth for this task.");
  if (!labels.facts.models.length) parts.push("This run has no stored predictions: there are no boxes, masks or classes to show.");
  return parts.filter((part) => part).join(" ");
}

const figure = (title, ...children) => element("figure", {}, element("figcaption", {}, title), ...children);

function classSide({ labels, pictures }, seen, { title, layers, kind }, truth, models) {
  const picture = pictures.draw(seen.source, layers, title);
  const nameOf = (id) => labels.facts.names[id] ?? `class ${id}`;
  const own = topClasses(models, seen.number, labels.kinds.length)?.[0].id ?? null;
  const reference = seen.reference === "truth" ? truth : own;
  const said = truth === null ? null : element("p", {}, "Ground truth: ", element("b", {}, nameOf(truth)));
  const top = models && kind !== undefined ? classes(topClasses(models, seen.number, kind), reference, nameOf) : null;
  return figure(title, picture, ...[said, top].filter((node) => node));
}

function objectSide(view, seen, { title, layers, kind }, truth, models) {
  const { labels, pictures, state } = view;
  const picture = pictures.draw(seen.source, layers, title);
  const [height, width] = pictures.sources.get(seen.source).thumbnail;
  const found = kind === undefined ? null : foundObjects(models, seen.number, kind);
  const own = foundObjects(models, seen.number, labels.kinds.length);
  const references = seen.reference === "truth" ? (truth ? trueObjects(truth) : null)
    : own?.filter((one) => one.score >= labels.facts.confident) ?? null;
  const score = labels.facts.task === "seg" ? 0 : Number(state.get("score")) - 1e-6;
  const result = compare(found ?? [], references, seen.reference, score);
  // References are right for any image; whether they are missed is known only where the model was asked.
  const drawn = found ? result.drawn : result.drawn.map((one) => ({ ...one, kind: "plain" }));
  const nameOf = (one) => `${labels.facts.names[one.category] ?? `class ${one.category}`}${one.crowd ? " (crowd)" : ""}`;
  const text = (one) => {
    if (state.get("names") !== "yes" || one.kind === "hit" && !one.dashed) return null;
    return one.dashed && labels.facts.task !== "seg" ? `${nameOf(one)} ${one.score.toFixed(2)}` : nameOf(one);
  };
  if (state.get("boxes") === "yes" && layers) picture.append(overlay(drawn, width, height, text));
  return figure(title, picture, element("p", { class: "counts" }, ...counts(found, result)));
}

function counts(found, result) {
  if (!found) return ["no response"];
  if (!result.references) return [`${result.drawn.length} predictions, no reference`];
  return [["hit", result.hits, "hits"], ["false", result.false, "false"], ["missed", result.missed, "missed"]]
    .map(([kind, count, word]) => element("span", { class: kind }, `${count} ${word}`));
}
