// Boxes and masks over a picture: references solid and thin, predictions dashed and wide, with dark edges to show on any
// picture. The dashes of a hit fall into the gaps of a false one at the same place, so that both are seen.

import { svg } from "./elements.js";

const ORDER = ["plain", "false", "missed", "hit"];

/** Draw objects over a thumbnail of this size; `name` gives the text of one, or null. Hits lie on top, and get their text first. */
export function overlay(objects, width, height, name) {
  const layer = svg("svg", { viewBox: `0 0 ${width} ${height}`, class: "overlay", "aria-hidden": "true" });
  const sorted = objects.toSorted((a, b) => ORDER.indexOf(a.kind) - ORDER.indexOf(b.kind));
  const lines = sorted.map((one) => {
    const d = one.outline.length ? outline(one.outline) : box(one.box, width, height);
    const style = `${one.kind}${one.dashed ? " dashed" : ""}`;
    if (one.outline.length) layer.append(svg("path", { d, class: `fill ${style}`, "fill-rule": "evenodd" }));
    layer.append(svg("path", { d, class: `edge ${style}` }));
    return svg("path", { d, class: `line ${style}` });
  });
  layer.append(...lines.filter((_, i) => !sorted[i].dashed), ...lines.filter((_, i) => sorted[i].dashed));
  const size = Math.max(width, height) / 32;
  const taken = [];
  for (const one of sorted.reverse()) {
    const shown = name(one);
    if (!shown) continue;
    const [left, top, , bottom] = one.box;
    const above = one.dashed ? top * height - size * 0.35 : bottom * height + size;
    const y = Math.min(height - size * 0.3, Math.max(size, above));
    const x = Math.min(left, 0.8) * width;
    const length = shown.length * size * 0.6;
    if (taken.some((other) => Math.abs(other.y - y) < size && x < other.x + other.length && other.x < x + length)) continue;
    taken.push({ x, y, length });
    const label = svg("text", { x: x.toFixed(1), y: y.toFixed(1), "font-size": size.toFixed(1), class: one.kind });
    label.textContent = shown;
    layer.append(label);
  }
  return layer;
}

const number = (value) => value.toFixed(1);

function box([left, top, right, bottom], width, height) {
  const [x0, y0, x1, y1] = [left * width, top * height, right * width, bottom * height].map(number);
  return `M${x0} ${y0}H${x1}V${y1}H${x0}Z`;
}

const outline = (rings) => rings.map((points) => `M${points.map((xy) => xy.map(number).join(" ")).join("L")}Z`).join("");
