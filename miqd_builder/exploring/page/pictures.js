// Pictures of a source: the original, a degradation of the whole image, or two of them joined along the ROI.

import { readFiles } from "./blocks.js";
import { element } from "./elements.js";

export class Pictures {
  constructor(page) {
    this.page = page;
    this.sources = new Map(page.pictured.map((one) => [one.source, one]));
    this.read = new Map();
  }

  has(source) {
    return this.sources.has(source);
  }

  of(source) {
    if (!this.read.has(source)) {
      const { pictures, kinds } = this.sources.get(source);
      const files = readFiles(pictures);
      const byKind = new Map(kinds.map((kind, i) => [kind, `data:image/avif;base64,${files[i]}`]));
      const mask = files[kinds.length] && `data:image/webp;base64,${files[kinds.length]}`;
      this.read.set(source, { byKind, mask });
    }
    return this.read.get(source);
  }

  /** What has to be laid over each other, from below: {url, mask}; null where there is no picture. */
  layers(labels, source, distortion, roi, bg) {
    const { byKind, mask } = this.of(source);
    const original = byKind.get(labels.kinds.length);
    const whole = (severity) => (severity ? byKind.get(labels.kindOf(distortion, severity, severity)) : original);
    const itself = roi || bg ? byKind.get(labels.kindOf(distortion, roi, bg)) : original;
    if (itself) return [{ url: itself }];
    const inside = whole(roi), outside = whole(bg);
    if (!inside || !outside || !mask) return null;
    return [{ url: outside }, { url: inside, mask }];
  }

  /** A picture as an element that keeps the image's shape; layers of null say that there is none. */
  draw(source, layers, alt) {
    const known = this.sources.get(source);
    const frame = element("div", { class: "picture" });
    if (known) frame.style.setProperty("--aspect", (known.thumbnail[1] / known.thumbnail[0]).toFixed(4));
    if (!layers) {
      frame.classList.add("empty");
      frame.append(element("span", {}, "no picture"));
      return frame;
    }
    layers.forEach(({ url, mask }, number) => {
      const image = element("img", { src: url, alt: number ? "" : alt, decoding: "async" });
      if (mask) image.style.maskImage = `url("${mask}")`;
      frame.append(image);
    });
    return frame;
  }
}
