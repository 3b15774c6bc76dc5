// The worker: unpacks the runtime and the network, checks itself, classifies one photo after another.

let ort;
let preparing;
let session;
let facts;
const PROVIDERS = { executionProviders: ["wasm"] };

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

/** A network that does nothing: opening it has the runtime compile itself. */
const NOTHING =
  "CAgSADo3ChAKAWESAWIiCElkZW50aXR5EgFnWg8KAWESCgoICAESBAoCCAFiDwoBYhIKCggIARIECgIIAUIECgAQDQ==";

/** Start the runtime, while the network is being unpacked. */
function prepare(given) {
  preparing = started(given);
  return preparing;
}

async function started(given) {
  const [script, binary] = await Promise.all(given.packed.map(bytesOf).map(unpacked));
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  ort = await import(address);
  ort.env.wasm.wasmBinary = binary.buffer;
  // More threads than one need memory that is shared, which only an isolated page has.
  const cores = Math.min(navigator.hardwareConcurrency || 1, 4);
  ort.env.wasm.numThreads = self.crossOriginIsolated ? cores : 1;
  ort.env.logLevel = "error";
  await ort.InferenceSession.create(bytesOf(NOTHING), PROVIDERS);
}

/** Open the network. */
async function open(given) {
  facts = given.facts;
  const network = woven(await unpacked(bytesOf(given.packed)));
  await preparing;
  session = await ort.InferenceSession.create(network, PROVIDERS);
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

/** CRC-32, as zlib has it. */
function checksumOf(bytes) {
  const table = new Uint32Array(256).map((_, n) => {
    for (let k = 0; k < 8; k++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
    return n;
  });
  let sum = 0xffffffff;
  for (const byte of bytes) sum = (sum >>> 8) ^ table[(sum ^ byte) & 255];
  return (sum ^ 0xffffffff) >>> 0;
}

/**
 * Return how far this browser is from the library on embedded photos. The first goes the whole way;
 * of the others, pixels that are the same to the bit have the same answer.
 */
async function check() {
  const found = [];
  const { looks, max_pixels: most } = facts;
  for (const { name, data, probabilities, ood_score: score, tolerance, pixels: sum } of facts.checks) {
    const { pixels, picture } = await readPhoto(new Blob([bytesOf(data)]), looks, most);
    picture.close();
    const isSame = checksumOf(pixels) === sum;
    if (found.length && isSame) {
      found.push({ name, difference: 0, shift: 0, agrees: true, isSame });
      continue;
    }
    const answer = await session.answer(pixels);
    const apart = answer.probabilities.map((p, i) => Math.abs(p - probabilities[i]));
    const difference = Math.max(...apart);
    const shift = score === null ? 0 : Math.abs(answer.oodScore - score);
    // What is no number is no agreement either.
    const agrees = difference <= tolerance && shift <= SCORES * tolerance;
    found.push({ name, difference, shift, agrees, isSame });
  }
  return found;
}

const TASKS = { prepare, open, check, classify };

self.onmessage = async ({ data: { id, task, given } }) => {
  try {
    self.postMessage({ id, found: await TASKS[task](given) });
  } catch (error) {
    const known = error instanceof PhotoError;
    self.postMessage({ id, error: known ? error.message : "failed", detail: String(error) });
  }
};
