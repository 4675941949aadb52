// The images that pass the filters, worst first.

import { byId, checkbox, element, fixed, select, words } from "./elements.js";
import { inRegion, REGIONS } from "./labels.js";

const AT_ONCE = 24;
const ORDERS = [["worst", "Worst first"], ["best", "Best first"], ["name", "By name"]];

export const wantedKind = (state) => (kind) =>
  inRegion(state.get("region"))(kind) &&
  (!state.get("distortion") || kind.distortion === state.get("distortion")) &&
  (!state.get("severity") || kind.severity === Number(state.get("severity"))) &&
  (!state.get("pair") || state.get("pair") === `${kind.roi}-${kind.bg}`);

/** Rows of the gallery. */
export function galleryRows({ labels, model, label, sources, state, pictures }) {
  const shown = state.get("pictured") === "yes" && labels.page.pictured.length ? sources.filter((n) => pictures.has(n)) : sources;
  return labels.rows(model, label, shown, wantedKind(state), state.get("order"));
}

export function drawGallery(view, rows, show) {
  const { state } = view;
  byId("gallery-title").textContent = title(state);
  byId("gallery-note").textContent =
    `${rows.length} images of ${rows.sources} sources` + (rows.length ? "; choose one to look at it beside its original." : ".");
  byId("cards").replaceChildren();
  append(view, rows, show);
}

function append(view, rows, show) {
  const cards = byId("cards");
  const start = cards.children.length;
  cards.append(...rows.slice(start, start + AT_ONCE).map((row) => card(view, row, show)));
  const more = byId("more");
  more.hidden = cards.children.length >= rows.length;
  more.textContent = `Show more (${cards.children.length} of ${rows.length} are shown)`;
  more.onclick = () => append(view, rows, show);
}

function card({ labels, pictures }, { source, kind, value }, show) {
  const name = labels.page.sources[source];
  const { distortion, roi, bg } = labels.kinds[kind];
  const severity = roi === bg ? `${words(distortion)} ${roi}` : `${words(distortion)} ROI ${roi}, bg. ${bg}`;
  const layers = pictures.has(source) ? pictures.layers(labels, source, distortion, roi, bg) : null;
  const open = () => show({ source: name, shown: distortion, roi: `${roi}`, bg: `${bg}` });
  const place = `${source} ${distortion} ${roi} ${bg}`;
  return element("li", {}, element("button", { type: "button", class: "card", onclick: open, "data-place": place },
    pictures.draw(source, layers, ""),
    element("b", {}, fixed(value)),
    element("span", {}, severity),
    element("span", { class: "source" }, name),
  ));
}

/** Mark the image that is shown beside its original. */
export function markShown({ source, distortion, roi, bg }) {
  const place = `${source} ${distortion} ${roi} ${bg}`;
  for (const one of document.querySelectorAll(".card")) one.setAttribute("aria-current", `${one.dataset.place === place}`);
}

/** Controls of the gallery; returns a function that sets them to the state. */
export function galleryControls(state, page) {
  const order = select("Order", (value) => state.set({ order: value }));
  const only = checkbox("only sources with pictures", (on) => state.set({ pictured: on ? "yes" : "no" }));
  const all = element("button", { type: "button", onclick: () => state.set({ severity: "", pair: "", distortion: "" }) },
    "All distortions and severities");
  byId("gallery-controls").append(order.node, ...(page.pictured.length ? [only.node] : []), all);
  return () => {
    order.set(ORDERS, state.get("order"));
    only.set(state.get("pictured") === "yes");
    all.hidden = !(state.get("severity") || state.get("pair") || state.get("distortion"));
  };
}

function title(state) {
  const [roi, bg] = state.get("pair").split("-");
  const parts = [
    state.get("distortion") ? words(state.get("distortion")) : "all distortions",
    state.get("severity") ? `severity ${state.get("severity")}` : null,
    state.get("pair") ? `ROI ${roi}, background ${bg}` : REGIONS.find(([key]) => key === state.get("region"))?.[1].toLowerCase(),
  ];
  return `Images: ${parts.filter((part) => part).join(", ")}`;
}
