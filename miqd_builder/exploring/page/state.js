// What is shown, kept in the address: a copied address shows the same.

const DEFAULTS = {
  task: "", label: "", model: "", distortion: "", region: "uniform", severity: "", pair: "", q: "", order: "worst",
  pictured: "yes", source: "", shown: "", roi: "", bg: "", predictor: "", reference: "", score: "0.3", boxes: "yes",
  names: "yes",
};

export class State {
  constructor() {
    this.values = { ...DEFAULTS };
    this.listeners = [];
    this.read();
    addEventListener("hashchange", () => {
      if (location.hash.slice(1) === this.written) return;
      this.read();
      this.tell();
    });
  }

  get(name) {
    return this.values[name];
  }

  read() {
    this.values = { ...DEFAULTS };
    for (const [name, value] of new URLSearchParams(location.hash.slice(1))) {
      if (Object.hasOwn(DEFAULTS, name)) this.values[name] = value;
    }
  }

  /** Change some values, write the address, and draw again. */
  set(changes) {
    Object.assign(this.values, changes);
    this.write();
    this.tell();
  }

  write() {
    const kept = Object.entries(this.values).filter(([name, value]) => value !== DEFAULTS[name]);
    this.written = new URLSearchParams(kept.map(([name, value]) => [name, `${value}`])).toString();
    history.replaceState(null, "", `#${this.written}`);
  }

  onChange(listener) {
    this.listeners.push(listener);
  }

  tell() {
    for (const listener of this.listeners) listener();
  }
}
