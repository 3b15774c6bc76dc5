// The coefficients of a JPEG, baseline or progressive, as far as cameras and programs write them.
// What is told of a file that is written otherwise is a JpegError: the browser decodes it, then.

class JpegError extends Error {}

const NATURAL = new Uint8Array([
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
  13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52,
  45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
]);
const word = (data, at) => (data[at] << 8) | data[at + 1];

/** Read the head of a JPEG: its size and which way up it lies; null where it says neither. */
function jpegHead(data) {
  let orientation = 1;
  for (const { marker, at, end } of segments(data)) {
    if (marker === 0xe1) orientation = orientationOf(data.subarray(at, end)) ?? orientation;
    if (isFrame(marker)) return { width: word(data, at + 3), height: word(data, at + 1), orientation };
    if (marker === 0xda) return null;
  }
  return null;
}

const isFrame = (marker) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

/** The parts of a file, each with a marker: up to the first scan, or on from a place. */
function* segments(data, from = 2) {
  let at = from;
  while (at + 4 <= data.length) {
    if (data[at] !== 0xff) throw new JpegError("no marker where one should be");
    const marker = data[at + 1];
    at += marker === 0xff ? 1 : 2;
    if (marker === 0xff || marker === 0x01) continue;
    if (marker === 0xd9) return;
    const end = at + word(data, at);
    if (end > data.length) throw new JpegError("truncated");
    yield { marker, at: at + 2, end };
    at = end;
  }
}

/** EXIF's orientation, 1 to 8; null where there is none. */
function orientationOf(segment) {
  if (String.fromCharCode(...segment.subarray(0, 6)) !== "Exif\0\0") return null;
  const view = new DataView(segment.buffer, segment.byteOffset + 6, segment.length - 6);
  try {
    const little = view.getUint16(0) === 0x4949;
    const start = view.getUint32(4, little);
    for (let i = 0; i < view.getUint16(start, little); i++) {
      const entry = start + 2 + 12 * i;
      if (view.getUint16(entry, little) !== 0x0112) continue;
      const found = view.getUint16(entry + 8, little);
      return found >= 1 && found <= 8 ? found : null;
    }
  } catch {
    // Damaged EXIF: the pixels are still good.
  }
  return null;
}

/** Return a JPEG's frame, each component with its coefficients and its table of quantisation. */
function jpegFrame(data) {
  const state = { quant: [], dc: [], ac: [], restart: 0, frame: null, jfif: false, adobe: -1 };
  let from = 2;
  for (let isDone = false; !isDone; ) {
    isDone = true;
    for (const { marker, at, end } of segments(data, from)) {
      readSegment(data, marker, at, end, state);
      if (marker !== 0xda) continue;
      from = readScan(data, at, end, state);
      isDone = false;
      break;
    }
  }
  const { frame } = state;
  if (!frame || !frame.components.every((c) => c.quant)) throw new JpegError("no picture");
  return frame;
}

function readSegment(data, marker, at, end, state) {
  if (marker === 0xdb) readQuantisation(data, at, end, state);
  else if (marker === 0xc4) readCodes(data, at, end, state);
  else if (marker === 0xdd) state.restart = word(data, at);
  else if (marker === 0xe0) state.jfif ||= data[at] === 0x4a && data[at + 1] === 0x46;
  else if (marker === 0xee && end - at >= 12 && data[at] === 0x41) state.adobe = data[at + 11];
  else if (isFrame(marker)) state.frame = readFrame(data, marker, at, state);
}

function readQuantisation(data, at, end, { quant }) {
  while (at < end) {
    const [precision, id] = [data[at] >> 4, data[at++] & 15];
    quant[id] = new Int32Array(64);
    for (let i = 0; i < 64; i++, at += precision ? 2 : 1) {
      quant[id][NATURAL[i]] = precision ? word(data, at) : data[at];
    }
  }
}

/** Codes as a table: for each 16 bits that may come, the length of the code and its symbol. */
function readCodes(data, at, end, state) {
  while (at < end) {
    const target = data[at] >> 4 ? state.ac : state.dc;
    const table = new Uint16Array(65536);
    target[data[at] & 15] = table;
    let symbol = at + 17;
    let code = 0;
    for (let length = 1; length <= 16; length++) {
      for (let i = 0; i < data[at + length]; i++) {
        const first = code << (16 - length);
        table.fill((length << 8) | data[symbol++], first, first + (1 << (16 - length)));
        code++;
      }
      code <<= 1;
    }
    at = symbol;
  }
}

function readFrame(data, marker, at, state) {
  const [height, width, count] = [word(data, at + 1), word(data, at + 3), data[at + 5]];
  if (marker > 0xc2 || data[at] !== 8 || !height || ![1, 3].includes(count) || state.frame) {
    throw new JpegError("of a kind that is not read here");
  }
  const components = Array.from({ length: count }, (_, i) => {
    const place = at + 6 + 3 * i;
    const [h, v] = [data[place + 1] >> 4, data[place + 1] & 15];
    return { id: data[place], h, v, table: data[place + 2], quant: null, predicted: 0 };
  });
  const ids = components.map(({ id }) => String.fromCharCode(id)).join("");
  if (count === 3 && !state.jfif && (state.adobe === 0 || (state.adobe < 0 && ids === "RGB"))) {
    throw new JpegError("in colours that are not read here");
  }
  const [maxH, maxV] = ["h", "v"].map((side) => Math.max(...components.map((c) => c[side])));
  const across = Math.ceil(width / (8 * maxH));
  const down = Math.ceil(height / (8 * maxV));
  for (const c of components) {
    c.blocksAcross = across * c.h;
    c.blocksDown = down * c.v;
    c.ownAcross = Math.ceil(Math.ceil((width * c.h) / maxH) / 8);
    c.ownDown = Math.ceil(Math.ceil((height * c.v) / maxV) / 8);
    c.coefficients = new Int16Array(c.blocksAcross * c.blocksDown * 64);
  }
  return { width, height, maxH, maxV, across, down, components, progressive: marker === 0xc2 };
}

/** Read a scan into the coefficients; return where it ends. */
function readScan(data, at, end, state) {
  const { frame } = state;
  if (!frame) throw new JpegError("a scan before the frame");
  const parts = Array.from({ length: data[at] }, (_, i) => {
    const component = frame.components.find(({ id }) => id === data[at + 1 + 2 * i]);
    if (!component) throw new JpegError("a scan of no component");
    component.quant ??= state.quant[component.table];
    const codes = data[at + 2 + 2 * i];
    return { component, dc: state.dc[codes >> 4], ac: state.ac[codes & 15] };
  });
  const [first, last, both] = data.subarray(end - 3, end);
  const bits = new BitReader(data, end);
  const scan = { bits, first, last, high: both >> 4, low: both & 15, run: 0 };
  const read = frame.progressive ? progressiveReader(scan) : baselineBlock;
  const alone = parts.length === 1;
  const { component } = parts[0];
  const across = alone ? component.ownAcross : frame.across;
  const total = across * (alone ? component.ownDown : frame.down);
  for (const part of parts) part.component.predicted = 0;
  for (let unit = 0; unit < total; unit++) {
    if (state.restart && unit && unit % state.restart === 0) {
      bits.restart();
      scan.run = 0;
      for (const part of parts) part.component.predicted = 0;
    }
    const [y, x] = [Math.floor(unit / across), unit % across];
    for (const part of parts) {
      const c = part.component;
      const [h, v] = alone ? [1, 1] : [c.h, c.v];
      for (let j = 0; j < v; j++) {
        for (let i = 0; i < h; i++) {
          read(scan, part, ((y * v + j) * c.blocksAcross + x * h + i) * 64);
        }
      }
    }
  }
  return bits.next();
}

/** Bits of a scan, in which an escaped byte stands for itself. */
class BitReader {
  constructor(data, at) {
    Object.assign(this, { data, at, buffer: 0, count: 0, missing: 0 });
  }

  fill() {
    const { data } = this;
    while (this.count <= 16) {
      let byte = data[this.at];
      if (byte === 0xff && data[this.at + 1] === 0) this.at += 2;
      else if (byte === 0xff || byte === undefined) {
        byte = 0; // a marker: what is asked beyond is missing
        if (++this.missing > 8) throw new JpegError("truncated");
      } else this.at++;
      this.buffer = (this.buffer << 8) | byte;
      this.count += 8;
    }
  }

  symbol(table) {
    if (this.count < 16) this.fill();
    const found = table[(this.buffer >> (this.count - 16)) & 0xffff];
    if (!found) throw new JpegError("no such code");
    this.count -= found >> 8;
    return found & 255;
  }

  take(length) {
    if (this.count < length) this.fill();
    this.count -= length;
    return (this.buffer >> this.count) & ((1 << length) - 1);
  }

  /** A signed number of so many bits. */
  signed(length) {
    if (!length) return 0;
    const found = this.take(length);
    return found < 1 << (length - 1) ? found - (1 << length) + 1 : found;
  }

  restart() {
    if (this.data[this.at] !== 0xff || (this.data[this.at + 1] & 0xf8) !== 0xd0) {
      throw new JpegError("no restart where one should be");
    }
    Object.assign(this, { at: this.at + 2, buffer: 0, count: 0, missing: 0 });
  }

  /** Where the next marker begins. */
  next() {
    const { data } = this;
    while (this.at < data.length && (data[this.at] !== 0xff || data[this.at + 1] === 0)) this.at++;
    return this.at;
  }
}

function baselineBlock({ bits }, { component, dc, ac }, at) {
  const { coefficients } = component;
  component.predicted += bits.signed(bits.symbol(dc));
  coefficients[at] = component.predicted;
  for (let k = 1; k < 64; k++) {
    const found = bits.symbol(ac);
    const size = found & 15;
    k += found >> 4;
    if (size) coefficients[at + NATURAL[k & 63]] = bits.signed(size);
    else if (found >> 4 < 15) break;
  }
}

function progressiveReader({ first, high }) {
  if (first === 0) return high ? refineFirst : readFirst;
  return high ? refineOthers : readOthers;
}

function readFirst({ bits, low }, { component, dc }, at) {
  component.predicted += bits.signed(bits.symbol(dc));
  component.coefficients[at] = component.predicted * (1 << low);
}

function refineFirst({ bits, low }, { component }, at) {
  if (bits.take(1)) component.coefficients[at] |= 1 << low;
}

function readOthers(scan, { component, ac }, at) {
  const { bits, first, last, low } = scan;
  if (scan.run) {
    scan.run--;
    return;
  }
  for (let k = first; k <= last; k++) {
    const found = bits.symbol(ac);
    const [zeros, size] = [found >> 4, found & 15];
    if (!size && zeros < 15) {
      scan.run = (1 << zeros) - 1 + bits.take(zeros);
      return;
    }
    k += zeros;
    if (size) component.coefficients[at + NATURAL[k & 63]] = bits.signed(size) * (1 << low);
  }
}

function refineOthers(scan, { component: { coefficients }, ac }, at) {
  const { bits, first, last, low } = scan;
  const step = 1 << low;
  const refine = (place) => {
    const value = coefficients[place];
    if (bits.take(1) && !(value & step)) coefficients[place] = value + (value < 0 ? -step : step);
  };
  let k = first;
  for (; !scan.run && k <= last; k++) {
    const found = bits.symbol(ac);
    let zeros = found >> 4;
    const isNew = (found & 15) !== 0;
    const value = isNew ? (bits.take(1) ? step : -step) : 0;
    if (!isNew && zeros < 15) {
      scan.run = (1 << zeros) + bits.take(zeros);
      break;
    }
    for (; k <= last; k++) {
      const place = at + NATURAL[k];
      if (coefficients[place]) refine(place);
      else if (--zeros < 0) break;
    }
    if (isNew && k <= last) coefficients[at + NATURAL[k]] = value;
  }
  if (!scan.run) return;
  for (; k <= last; k++) if (coefficients[at + NATURAL[k]]) refine(at + NATURAL[k]);
  scan.run--;
}
