// The data blocks of the page: arrays, pictures, and what they belong to.

const TYPES = {
  f4: Float32Array, f8: Float64Array, i1: Int8Array, i2: Int16Array, i4: Int32Array, u1: Uint8Array, u2: Uint16Array,
};

const text = (id) => document.getElementById(id).textContent;

export const readPage = () => JSON.parse(text("page"));

/** Arrays of a block by name, each with its shape: {values, shape}. */
export async function readArrays(layout) {
  const bytes = await inflate(text(layout.id));
  const arrays = new Map();
  for (const [name, [type, shape, start]] of Object.entries(layout.arrays)) {
    const length = shape.reduce((a, b) => a * b, 1);
    arrays.set(name, { values: new TYPES[type](bytes, start, length), shape });
  }
  return arrays;
}

async function inflate(base64) {
  const binary = atob(base64);
  const packed = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) packed[i] = binary.charCodeAt(i);
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/** Files of a block in base64, in their order. */
export const readFiles = (id) => text(id).split("\n");
