// The worker: unpacks the runtime and the network, checks itself, classifies one photo after another.

let session;
let facts;

/** How much more than a probability an OOD score may be off: it has no upper bound. */
const SCORES = 10;

async function unpacked(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** Undo what `page.py` does to the network, that it may shrink further: the bytes of four apart. */
function woven(planes) {
  const size = Math.floor(planes.length / 4);
  const bytes = new Uint8Array(planes.length);
  for (let i = 0, out = 0; i < size; i++) {
    bytes[out++] = planes[i];
    bytes[out++] = planes[size + i];
    bytes[out++] = planes[2 * size + i];
    bytes[out++] = planes[3 * size + i];
  }
  bytes.set(planes.subarray(4 * size), 4 * size);
  return bytes;
}

async function start(given) {
  facts = given.facts;
  const packed = given.packed.map(bytesOf);
  const [script, binary, network] = await Promise.all(packed.map(unpacked));
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const ort = await import(address);
  ort.env.wasm.wasmBinary = binary.buffer;
  // More threads than one need memory that is shared, which only an isolated page has.
  const cores = Math.min(navigator.hardwareConcurrency || 1, 4);
  ort.env.wasm.numThreads = self.crossOriginIsolated ? cores : 1;
  ort.env.logLevel = "error";
  session = await ort.InferenceSession.create(woven(network), { executionProviders: ["wasm"] });
  session.answer = async (pixels) => {
    const feeds = { [facts.input]: new ort.Tensor("uint8", pixels, [1, ...facts.shape]) };
    const found = await session.run(feeds);
    const numbers = (name) => Array.from(found[name].data);
    const { probabilities, ood_score: score, likeness } = facts.outputs;
    return {
      probabilities: numbers(probabilities),
      oodScore: score ? numbers(score)[0] : null,
      likeness: likeness ? numbers(likeness) : null,
    };
  };
  return { threads: ort.env.wasm.numThreads };
}

/** Return the bytes of base64. */
function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const values = new Uint8Array(128);
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (let i = 0; i < 64; i++) values[letters.charCodeAt(i)] = i;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const bytes = new Uint8Array((text.length / 4) * 3);
  for (let i = 0, out = 0; i < text.length; i += 4) {
    const four =
      (values[text.charCodeAt(i)] << 18) |
      (values[text.charCodeAt(i + 1)] << 12) |
      (values[text.charCodeAt(i + 2)] << 6) |
      values[text.charCodeAt(i + 3)];
    bytes[out++] = four >> 16;
    bytes[out++] = (four >> 8) & 255;
    bytes[out++] = four & 255;
  }
  return bytes.subarray(0, bytes.length - padding);
}

/** Answer for a file or a picture; with `side`, with a thumbnail of at most so many pixels a side. */
async function classify({ blob, picture, side }) {
  const { looks, max_pixels: most } = facts;
  const read = picture
    ? { pixels: pixelsOf(picture, false, looks, most), picture }
    : await readPhoto(blob, looks, most);
  const thumbnail = side ? await thumbnailOf(read.picture, side) : null;
  read.picture.close();
  return { ...(await session.answer(read.pixels)), thumbnail };
}

/** Return the largest difference of a probability from what the library says of embedded photos. */
async function check() {
  const found = [];
  for (const { name, data, probabilities, ood_score: score, tolerance } of facts.checks) {
    const answer = await classify({ blob: new Blob([bytesOf(data)]) });
    const apart = answer.probabilities.map((p, i) => Math.abs(p - probabilities[i]));
    const difference = Math.max(...apart);
    const shift = score === null ? 0 : Math.abs(answer.oodScore - score);
    // What is no number is no agreement either.
    const agrees = difference <= tolerance && shift <= SCORES * tolerance;
    found.push({ name, difference, shift, agrees });
  }
  return found;
}

const TASKS = { start, check, classify };

self.onmessage = async ({ data: { id, task, given } }) => {
  try {
    self.postMessage({ id, found: await TASKS[task](given) });
  } catch (error) {
    const known = error instanceof PhotoError;
    self.postMessage({ id, error: known ? error.message : "failed", detail: String(error) });
  }
};
