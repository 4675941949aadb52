// DOM nodes. Texts become text nodes, never markup: names come from data.

export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name in node && typeof value !== "string") node[name] = value;
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const byId = (id) => document.getElementById(id);

export const fixed = (value, digits = 3) => (Number.isFinite(value) ? value.toFixed(digits) : value === Infinity ? "∞" : "-");

export const words = (name) => name.replaceAll("_", " ");

/** A labelled <select>: its node, and a function that sets its [value, text] pairs and what is chosen. */
export function select(label, onChange) {
  const chosen = element("select", { "aria-label": label, onchange: () => onChange(chosen.value) });
  const set = (options, value) => {
    const wanted = JSON.stringify(options);
    if (chosen.dataset.options !== wanted) {
      chosen.dataset.options = wanted;
      chosen.replaceChildren(...options.map(([key, shown]) => element("option", { value: key }, shown)));
    }
    chosen.value = value;
  };
  return { node: element("label", {}, element("span", {}, label), chosen), set };
}

/** A slider that says its value beside its label: its node, and a function that sets it. */
export function slider(label, { min, step, shown }, onInput) {
  const output = element("output");
  const input = element("input", { type: "range", "aria-label": label, min: `${min}`, step: `${step}` });
  const say = () => {
    output.textContent = shown(Number(input.value));
    input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => {
    say();
    onInput(Number(input.value));
  });
  const set = (max, value) => {
    input.max = `${max}`;
    input.value = `${value}`;
    say();
  };
  return { node: element("label", {}, element("span", {}, label, " ", output), input), set };
}

/** A box to tick: its node, and a function that sets it. */
export function checkbox(label, onChange) {
  const box = element("input", { type: "checkbox", onchange: () => onChange(box.checked) });
  const set = (on) => { box.checked = on; };
  return { node: element("label", { class: "check" }, box, element("span", {}, label)), set };
}

/** Arrow keys move between the buttons of a table; only one of them is a stop of the tab key. */
export function roving(table) {
  const rows = [...table.tBodies[0].rows].map((row) => [...row.querySelectorAll("button")]).filter((row) => row.length);
  const all = rows.flat();
  const current = all.find((button) => button.getAttribute("aria-pressed") === "true") ?? all[0];
  for (const button of all) button.tabIndex = button === current ? 0 : -1;
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  table.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    const row = rows.findIndex((buttons) => buttons.includes(event.target));
    if (!move || row < 0) return;
    event.preventDefault();
    const next = rows[row + move[0]]?.[rows[row].indexOf(event.target) + move[1]];
    if (!next) return;
    for (const button of all) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  });
}
