// The numbers beside a pair of pictures: labels of the degraded image, scores of each model, classes of a classifier.

import { element, fixed } from "./elements.js";
import { LABELS } from "./labels.js";

/** Labels of an image over all models, and the scores of each. */
export function readings(labels, source, kind) {
  const original = kind === labels.kinds.length;
  const entries = LABELS.filter(([name]) => labels.labels.has(name)).map(([name, shown]) => [shown, labels.value(null, name, source, kind)]);
  entries.push(["PSNR, dB", labels.value(null, "psnr", source, kind)]);
  const list = element("dl", {}, ...entries.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, fixed(value, name === "PSNR, dB" ? 2 : 3))]));
  const note = original ? element("p", { class: "note" }, "The original has no label over all models; below are its scores: consistency with itself, and accuracy on the clean image.") : null;
  return element("div", { class: "readings" }, ...(original ? [note] : [list]), scores(labels, source, kind));
}

function scores(labels, source, kind) {
  if (!labels.scores) return element("p", { class: "note" }, "The labels were imported: there are no scores of single models.");
  const rows = labels.facts.scorers.map((name, number) => element("tr", {},
    element("th", { scope: "row" }, name),
    ...["consistency", "accuracy"].map((score) => element("td", {}, fixed(labels.value({ name, number }, score, source, kind)))),
  ));
  return element("div", { class: "wide" }, element("table", {},
    element("caption", {}, "Scores of each model on this image"),
    element("thead", {}, element("tr", {}, ...["model", "consistency", "accuracy"].map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...rows),
  ));
}

/** The most probable classes of an image, as bars; right and wrong by a reference. */
export function classes(top, reference, nameOf) {
  if (!top) return element("p", { class: "note" }, "no response");
  const rows = top.map(({ id, probability }, rank) => {
    const kind = reference === null ? "plain" : id === reference ? "hit" : rank === 0 ? "false" : "plain";
    const bar = element("i", { class: kind });
    bar.style.width = `${(100 * probability).toFixed(1)}%`;
    const word = { hit: " ✓", false: " ✗", plain: "" }[kind];
    return element("li", {}, element("span", {}, nameOf(id), word), element("span", { class: "bar" }, bar), element("b", {}, fixed(probability)));
  });
  return element("ol", { class: "classes" }, ...rows);
}
