// Label rows and scores: cells of the heat maps, filters, and the order of the images.

import { readArrays } from "./blocks.js";

export const LABELS = [["composite", "Composite"], ["consistency", "Consistency"], ["accuracy", "Accuracy"]];
export const REGIONS = [
  ["uniform", "Whole image"], ["roi", "Stronger in the ROI"], ["background", "Stronger in the background"], ["all", "All"],
];

// An image's key in the order is one exact number: the bits of its label, which rise with it from 0 to those of 1, then its place.
const PLACES = 2 ** 23, ONE = 0x3f800000;

/** Everything of one task, its arrays read. */
export async function readTask(page, number) {
  const facts = page.tasks[number];
  const labels = await readArrays(facts.labels);
  const scores = facts.scores ? await readArrays(facts.scores) : null;
  return new Labels(page, facts, labels, scores);
}

class Labels {
  constructor(page, facts, labels, scores) {
    Object.assign(this, { page, facts, labels, scores });
    this.kinds = page.degradations.map(([name, distortion, category, region, roi, bg]) => (
      { name, distortion, category, region, roi, bg, severity: Math.max(roi, bg) }
    ));
    this.distortions = [...new Set(this.kinds.map((kind) => kind.distortion))];
    this.place = new Map(this.kinds.map((kind, number) => [`${kind.distortion} ${kind.roi} ${kind.bg}`, number]));
    this.severities = Math.max(...this.kinds.map((kind) => kind.severity));
    const scored = facts.scored ?? page.sources.map((_, number) => number);
    this.rowOf = new Map(scored.map((source, row) => [source, row]));
  }

  /** Labels that there are: over all models, or of a single one. */
  choices(model) {
    const known = LABELS.filter(([name]) => (model ? name !== "composite" && this.clean(model, name) : this.labels.has(name)));
    return known.length ? known : LABELS.filter(([name]) => name === "consistency");
  }

  clean(model, name) {
    const { values, shape } = this.scores.get(`counts/${name}`);
    return values.subarray(model.number * shape[1], (model.number + 1) * shape[1]).some((count) => count > 0);
  }

  /** Number of a distortion's degradation with these severities; undefined where the data set has none. */
  kindOf(distortion, roi, bg) {
    return this.place.get(`${distortion} ${roi} ${bg}`);
  }

  /** A label over all models, or a model's score; NaN where there is none. The original's place is after the last kind. */
  value(model, name, source, kind) {
    if (!model) {
      const column = this.labels.get(name);
      return column && kind < column.shape[1] ? column.values[source * column.shape[1] + kind] : NaN;
    }
    const row = this.rowOf.get(source);
    if (row === undefined) return NaN;
    const { values, shape } = this.scores.get(`rows/${name}`);
    return values[(model.number * shape[1] + row) * shape[2] + kind];
  }

  /** Mean of a label over the sources that match a text, and their number, for each kind. */
  means(model, name, sources) {
    if (model && sources.length === this.page.sources.length) return this.stored(model, name);
    return this.kinds.map((_, kind) => {
      let sum = 0, count = 0;
      for (const source of sources) {
        const value = this.value(model, name, source, kind);
        if (Number.isNaN(value)) continue;
        sum += value;
        count += 1;
      }
      return { sum, count };
    });
  }

  stored(model, name) {
    const { values, shape } = this.scores.get(`means/${name}`);
    const counts = this.scores.get(`counts/${name}`).values;
    return this.kinds.map((_, kind) => {
      const place = model.number * shape[1] + kind;
      return { sum: counts[place] ? values[place] * counts[place] : 0, count: counts[place] };
    });
  }

  /** Whether a model's scores are in the page for these sources only in part. */
  partial(model, sources) {
    return model && this.facts.scored && sources.length < this.page.sources.length;
  }

  /** Numbers of the sources whose name holds a text, whatever its case. */
  matching(text) {
    const wanted = text.trim().toLowerCase();
    return this.page.sources.map((_, number) => number).filter((n) => this.page.sources[n].toLowerCase().includes(wanted));
  }

  /** The mean over some kinds, from their sums. */
  pooled(means, wanted) {
    let sum = 0, count = 0;
    this.kinds.forEach((kind, number) => {
      if (!wanted(kind)) return;
      sum += means[number].sum;
      count += means[number].count;
    });
    return { mean: count ? sum / count : NaN, count };
  }

  /** Images that pass the filters, in order. */
  rows(model, name, sources, wanted, order) {
    const kinds = this.kinds.map((kind, number) => (wanted(kind) ? number : -1)).filter((number) => number >= 0);
    const keys = new Float64Array(sources.length * kinds.length);
    const bits = new Uint32Array(1), value = new Float32Array(bits.buffer);
    let count = 0;
    for (const source of sources) {
      for (const kind of kinds) {
        value[0] = this.value(model, name, source, kind);
        if (Number.isNaN(value[0])) continue;
        const rank = { worst: bits[0], best: ONE - bits[0] }[order] ?? 0;
        keys[count++] = rank * PLACES + source * this.kinds.length + kind;
      }
    }
    return new Rows(keys.subarray(0, count).sort(), this, (source, kind) => this.value(model, name, source, kind));
  }
}

/** Sorted images: their keys, of which the lower part is the image's place. */
class Rows {
  constructor(keys, labels, value) {
    Object.assign(this, { keys, width: labels.kinds.length, value, length: keys.length });
    this.sources = new Set(Array.from(keys, (_, i) => this.place(i)[0])).size;
  }

  place(i) {
    const place = this.keys[i] % PLACES;
    return [Math.floor(place / this.width), place % this.width];
  }

  at(i) {
    const [source, kind] = this.place(i);
    return { source, kind, value: this.value(source, kind) };
  }

  slice(first, last) {
    return Array.from({ length: Math.max(0, Math.min(last, this.length) - first) }, (_, i) => this.at(first + i));
  }

  /** The first image of a source that passes a test; undefined without one. */
  find(test) {
    for (let i = 0; i < this.length; i++) if (test(this.place(i)[0])) return this.at(i);
    return undefined;
  }
}

export const inRegion = (region) => (kind) => region === "all" || kind.region === region;
