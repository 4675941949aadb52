// The explorer: reads the page's data, keeps the state in the address, and draws.

import { readPage } from "./blocks.js";
import { byId, element } from "./elements.js";
import { filterControls } from "./filters.js";
import { drawGallery, galleryControls, galleryRows, markShown } from "./gallery.js";
import { readTask, REGIONS } from "./labels.js";
import { drawMaps } from "./maps.js";
import { Pictures } from "./pictures.js";
import { Predictions } from "./predictions.js";
import { State } from "./state.js";
import { drawPair, seenOf, viewerControls } from "./viewer.js";

const page = readPage();
const state = new State();
const pictures = new Pictures(page);
const tasks = new Map();
const FILTERS = ["task", "label", "model", "distortion", "region", "severity", "pair", "q", "order", "pictured"];
let drawing = 0;

function taskOf(name) {
  const number = Math.max(0, page.tasks.findIndex(({ task }) => task === name));
  if (!tasks.has(number)) {
    const predictions = new Predictions(page, page.tasks[number].task);
    tasks.set(number, readTask(page, number).then((labels) => ({ labels, predictions })));
  }
  return tasks.get(number);
}

/** What is shown: the state, with what it leaves open or asks in vain filled in. */
function viewOf(labels) {
  const number = labels.scores ? labels.facts.scorers.indexOf(state.get("model")) : -1;
  const model = number < 0 ? null : { name: state.get("model"), number };
  const choices = labels.choices(model).map(([name]) => name);
  const label = choices.includes(state.get("label")) ? state.get("label") : choices[0];
  if (!REGIONS.some(([name]) => name === state.get("region"))) state.values.region = "uniform";
  return { labels, model, label, sources: labels.matching(state.get("q")), state, pictures };
}

function start() {
  const setFilters = filterControls(state, page);
  const setGallery = galleryControls(state, page);
  const setViewer = page.pictured.length ? viewerControls(state, page) : null;
  if (!setViewer) {
    byId("viewer-note").textContent = "There are no pictures in this page: see the notes above.";
    byId("legend").hidden = true;
  }
  byId("legend").append(...[["hit", "hit"], ["false", "false"], ["missed", "missed"]].map(([kind, word]) =>
    element("span", { class: kind }, word)), element("span", {}, 
    `solid: reference, dashed: prediction; a hit overlaps it by IoU .5 or more. Detections below ${page.limits.score}, or beyond ` +
    `${page.limits.objects} of an image, are not in this page.`));
  let drawn = null, rows = null;
  const draw = async () => {
    const turn = ++drawing;
    const { labels, predictions } = await taskOf(state.get("task"));
    if (turn !== drawing) return;
    const view = viewOf(labels);
    setFilters(view);
    setGallery();
    const key = JSON.stringify(FILTERS.map((name) => state.get(name)));
    if (key !== drawn) {
      rows = galleryRows(view);
      drawMaps(view);
      drawGallery(view, rows, show);
      drawn = key;
    }
    if (!setViewer) return;
    const seen = seenOf(view, rows, predictions);
    setViewer(view, seen);
    markShown(seen);
    const known = await predictions.of(seen.source);
    if (turn === drawing) drawPair(view, seen, known);
  };
  state.onChange(() => draw().catch(fail));
  return draw();
}

function show(changes) {
  state.set(changes);
  const title = byId("viewer-title");
  title.focus({ preventScroll: true });
  title.scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

function introduce() {
  const count = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
  byId("facts").textContent = [
    count(page.sources.length, "source"), count(page.degradations.length, "degradation"), count(page.tasks.length, "task"),
    `${page.pictured.length} of ${page.sources.length} sources have pictures (drawn at random, seed ${page.sample_seed})`,
    `run seed ${page.run_seed}`,
  ].join(" · ");
  byId("notes").hidden = !page.notes.length;
  byId("notes").querySelector("summary").textContent = count(page.notes.length, "note");
  byId("notes").querySelector("ul").append(...page.notes.map((text) => element("li", {}, text)));
}

function fail(error) {
  byId("facts").textContent = `This page can't be drawn (${error.message}). It needs a browser of 2023 or later.`;
  throw error;
}

introduce();
start().catch(fail);
