// What a model predicted for one image, and how it compares with a reference.

import { readArrays } from "./blocks.js";

const FULL = 65535;
const IGNORED = -2;

/** Predictions and ground truth of one source and task, read when they are first shown. */
export class Predictions {
  constructor(page, task) {
    this.task = task;
    this.facts = new Map(page.pictured.map((one) => [one.source, one.tasks[task]]));
    this.read = new Map();
  }

  async of(source) {
    if (!this.read.has(source)) this.read.set(source, this.load(this.facts.get(source)));
    return this.read.get(source);
  }

  async load(facts) {
    if (!facts) return { truth: null, models: null };
    const models = facts.models ? await readArrays(facts.models) : null;
    const truth = this.task === "cls" || !facts.truth ? facts.truth : await readArrays(facts.truth);
    return { truth, models };
  }
}

/** A classifier's five most probable classes of an image: {id, probability}; null without a response. */
export function topClasses(models, number, kind) {
  const ids = models?.get(`${number}/ids`);
  if (!ids) return null;
  const width = ids.shape[1];
  const probabilities = models.get(`${number}/probabilities`).values;
  const top = [];
  for (let i = kind * width; i < (kind + 1) * width; i++) {
    if (ids.values[i] >= 0) top.push({ id: ids.values[i], probability: probabilities[i] });
  }
  return top.length ? top : null;
}

/** Objects that a model found in an image; null without a response. */
export function foundObjects(models, number, kind) {
  const counts = models?.get(`${number}/counts`)?.values;
  if (!counts || counts[kind] < 0) return null;
  let first = 0;
  for (let i = 0; i < kind; i++) first += Math.max(0, counts[i]);
  return objects((name) => models.get(`${number}/${name}`)).slice(first, first + counts[kind]);
}

/** Annotated objects; crowd regions are left out, what lies in them counts neither way. */
export function trueObjects(truth) {
  return objects((name) => truth.get(name));
}

function objects(array) {
  const boxes = array("boxes").values, categories = array("categories").values, crowd = array("crowd").values;
  const steps = array("steps").values, lengths = array("lengths").values, rings = array("rings").values;
  const scores = array("scores")?.values, truth = array("truth")?.values, own = array("own")?.values;
  const found = [];
  let ring = 0, point = 0;
  categories.forEach((category, i) => {
    const outline = [];
    for (let k = 0; k < (rings[i] ?? 0); k++, ring++) {
      const last = point + lengths[ring], points = [];
      for (let x = 0.5, y = 0.5; point < last; point++) {
        x += steps[2 * point];
        y += steps[2 * point + 1];
        points.push([x, y]);
      }
      outline.push(points);
    }
    const box = Array.from(boxes.subarray(4 * i, 4 * i + 4), (step) => step / FULL);
    found.push({ category, box, outline, crowd: crowd[i] === 1, score: scores?.[i], truth: truth?.[i], own: own?.[i] });
  });
  return found;
}

/**
 * Detections from a score on against a reference: each is a hit or false, each reference is hit or missed.
 * Matches come from the builder, at IoU .5: what a detection takes doesn't depend on those of lower score.
 */
export function compare(found, references, side, score) {
  const shown = found.filter((one) => one.score >= score);
  const taken = new Set(references ? shown.map((one) => one[side]) : []);
  const kindOf = (one) => (!references || one[side] === IGNORED ? "plain" : one[side] >= 0 ? "hit" : "false");
  const drawn = shown.map((one) => ({ ...one, kind: kindOf(one), dashed: true }));
  const solid = (references ?? []).map((one, i) => ({ ...one, kind: one.crowd ? "plain" : taken.has(i) ? "hit" : "missed" }));
  const count = (list, kind) => list.filter((one) => one.kind === kind).length;
  return {
    drawn: [...solid, ...drawn],
    hits: count(drawn, "hit"), false: count(drawn, "false"), missed: count(solid, "missed"), references: references !== null,
  };
}
