// Pillow's resizing of 8-bit pictures, to the byte: two passes of weights in fixed point, the
// horizontal one first, each rounded to whole levels. Pixels are RGB, a byte each.

const PRECISION_BITS = 22;
const HALF = 1 << (PRECISION_BITS - 1);

const sinc = (x) => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

const FILTERS = {
  bilinear: { support: 1, weight: (x) => Math.max(1 - Math.abs(x), 0) },
  bicubic: {
    support: 2,
    weight: (x) => {
      const a = -0.5;
      const d = Math.abs(x);
      if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
    },
  },
  lanczos: { support: 3, weight: (x) => (-3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** The weights of one axis: for each output pixel where its inputs begin, and what each counts. */
function weightsOf(size, start, end, outSize, name) {
  const { support, weight } = FILTERS[name];
  // Pillow keeps the box in single precision.
  const first = Math.fround(start);
  const scale = Math.fround(Math.fround(end) - first) / outSize;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  const most = Math.ceil(reach) * 2 + 1;
  const begins = new Int32Array(outSize);
  const counts = new Int32Array(outSize);
  const values = new Int32Array(outSize * most);
  const row = new Float64Array(most);
  for (let i = 0; i < outSize; i++) {
    const centre = first + (i + 0.5) * scale;
    const low = Math.max(Math.trunc(centre - reach + 0.5), 0);
    const count = Math.min(Math.trunc(centre + reach + 0.5), size) - low;
    let sum = 0;
    for (let k = 0; k < count; k++) {
      row[k] = weight((k + low - centre + 0.5) * (1 / stretch));
      sum += row[k];
    }
    for (let k = 0; k < count; k++) {
      const share = sum === 0 ? row[k] : row[k] / sum;
      const whole = share * 2 ** PRECISION_BITS;
      values[i * most + k] = Math.trunc(share < 0 ? whole - 0.5 : whole + 0.5);
    }
    begins[i] = low;
    counts[i] = count;
  }
  return { begins, counts, values, most };
}

const level = (sum) => {
  const found = sum >> PRECISION_BITS;
  return found < 0 ? 0 : found > 255 ? 255 : found;
};

/** Resize rows: `source` has `channels` bytes a pixel, `target` three, from row `first` on. */
function resizeRows(source, width, rows, channels, weights, target, outWidth, first) {
  const { begins, counts, values, most } = weights;
  for (let y = 0; y < rows; y++) {
    let out = (first + y) * outWidth * 3;
    for (let x = 0; x < outWidth; x++) {
      let at = (y * width + begins[x]) * channels;
      const from = x * most;
      const end = from + counts[x];
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      for (let k = from; k < end; k++, at += channels) {
        const value = values[k];
        red = (red + Math.imul(source[at], value)) | 0;
        green = (green + Math.imul(source[at + 1], value)) | 0;
        blue = (blue + Math.imul(source[at + 2], value)) | 0;
      }
      target[out++] = level(red);
      target[out++] = level(green);
      target[out++] = level(blue);
    }
  }
}

/** Sums of weighed rows, which come some at a time; at the end they are an RGB picture. */
class ColumnSums {
  constructor(width, weights, outHeight) {
    Object.assign(this, { width, weights, outHeight });
    this.sums = new Int32Array(width * outHeight * 3).fill(HALF);
  }

  add(pixels, first, rows, channels) {
    const { begins, counts, values, most } = this.weights;
    const { width, sums } = this;
    for (let y = 0; y < this.outHeight; y++) {
      const from = Math.max(begins[y], first);
      const end = Math.min(begins[y] + counts[y], first + rows);
      for (let row = from; row < end; row++) {
        const value = values[y * most + row - begins[y]];
        let at = (row - first) * width * channels;
        let out = y * width * 3;
        for (let x = 0; x < width; x++, at += channels, out += 3) {
          sums[out] = (sums[out] + Math.imul(pixels[at], value)) | 0;
          sums[out + 1] = (sums[out + 1] + Math.imul(pixels[at + 1], value)) | 0;
          sums[out + 2] = (sums[out + 2] + Math.imul(pixels[at + 2], value)) | 0;
        }
      }
    }
  }

  picture() {
    const found = new Uint8Array(this.sums.length);
    for (let i = 0; i < found.length; i++) found[i] = level(this.sums[i]);
    return found;
  }
}

/** Where the nearest pixel of each output pixel lies, adding up as Pillow does. */
function nearestOf(start, end, outSize) {
  const first = Math.fround(start);
  const scale = Math.fround(Math.fround(end) - first) / outSize;
  const places = new Int32Array(outSize);
  let at = first + scale * 0.5;
  for (let i = 0; i < outSize; i++, at += scale) places[i] = Math.trunc(at);
  return places;
}

/**
 * What a picture is resized to, and which part of it: a record's way (see `features.preprocessing`).
 * `left`, `top`, `right`, `bottom` bound the part; the middle of the result is then cut out.
 */
function planOf(width, height, record) {
  const [inHeight, inWidth] = record.input_size;
  const scaledHeight = Math.floor(inHeight / record.crop_pct);
  const scaledWidth = Math.floor(inWidth / record.crop_pct);
  if (record.crop_mode === "squash") {
    return { left: 0, top: 0, right: width, bottom: height, width: scaledWidth, height: scaledHeight };
  }
  const scale = Math.max(scaledWidth / width, scaledHeight / height);
  const keepWidth = Math.min(width, Math.ceil((2 * scaledWidth) / scale));
  const keepHeight = Math.min(height, Math.ceil((2 * scaledHeight) / scale));
  const left = (width - keepWidth) / 2;
  const top = (height - keepHeight) / 2;
  return {
    left,
    top,
    right: left + keepWidth,
    bottom: top + keepHeight,
    width: Math.max(scaledWidth, roundHalfEven(keepWidth * scale)),
    height: Math.max(scaledHeight, roundHalfEven(keepHeight * scale)),
  };
}

function roundHalfEven(x) {
  const down = Math.floor(x);
  if (x - down !== 0.5) return Math.round(x);
  return down % 2 === 0 ? down : down + 1;
}

/** Rows of the places that nearest neighbours give, or of all as they are. */
function pickColumns(pixels, width, rows, channels, places, target, first) {
  let out = first * places.length * 3;
  for (let y = 0; y < rows; y++) {
    for (const x of places) {
      const at = (y * width + x) * channels;
      target[out++] = pixels[at];
      target[out++] = pixels[at + 1];
      target[out++] = pixels[at + 2];
    }
  }
}

function pickRows(pixels, width, places) {
  const line = width * 3;
  const found = new Uint8Array(places.length * line);
  places.forEach((y, i) => found.set(pixels.subarray(y * line, (y + 1) * line), i * line));
  return found;
}

/**
 * Bring a picture to a network's input size.
 *
 * `strips` calls back with its pixels, some rows at a time from the top: `(pixels, first, rows)`,
 * where `pixels` has `channels` bytes a pixel. `record.tall_first` says whether the library's Pillow
 * begins with the columns of pictures that lose much more height than width, as it does since 13.
 */
function resized(width, height, channels, strips, record) {
  const plan = planOf(width, height, record);
  const name = record.interpolation;
  const keepsWidth = plan.width === width && plan.left === 0 && plan.right === width;
  const keepsHeight = plan.height === height && plan.top === 0 && plan.bottom === height;
  const picks = name === "nearest" || (keepsWidth && keepsHeight);
  const along = (start, end, size, outSize) => weightsOf(size, start, end, outSize, name);
  const across = picks || keepsWidth ? null : along(plan.left, plan.right, width, plan.width);
  const down = picks || keepsHeight ? null : along(plan.top, plan.bottom, height, plan.height);
  const lostHeight = height - plan.height;
  const lostWidth = width - plan.width;
  let full;
  if (across && down && record.tall_first && lostHeight > 0 && lostHeight > 2 * lostWidth) {
    const sums = new ColumnSums(width, down, plan.height);
    strips((pixels, first, rows) => sums.add(pixels, first, rows, channels));
    full = new Uint8Array(plan.width * plan.height * 3);
    resizeRows(sums.picture(), width, plan.height, 3, across, full, plan.width, 0);
  } else {
    const wide = new Uint8Array(plan.width * height * 3);
    const columns = nearestOf(plan.left, plan.right, plan.width);
    strips((pixels, first, rows) => {
      if (across) resizeRows(pixels, width, rows, channels, across, wide, plan.width, first);
      else pickColumns(pixels, width, rows, channels, columns, wide, first);
    });
    if (down) {
      const sums = new ColumnSums(plan.width, down, plan.height);
      sums.add(wide, 0, height, 3);
      full = sums.picture();
    } else {
      full = pickRows(wide, plan.width, nearestOf(plan.top, plan.bottom, plan.height));
    }
  }
  return middleOf(full, plan.width, plan.height, record.input_size);
}

function middleOf(pixels, width, height, [outHeight, outWidth]) {
  if (width === outWidth && height === outHeight) return pixels;
  const left = Math.floor((width - outWidth) / 2);
  const top = Math.floor((height - outHeight) / 2);
  const found = new Uint8Array(outWidth * outHeight * 3);
  for (let y = 0; y < outHeight; y++) {
    const at = ((top + y) * width + left) * 3;
    found.set(pixels.subarray(at, at + outWidth * 3), y * outWidth * 3);
  }
  return found;
}

/**
 * Average squares of `factor` pixels a side, fewer at the right and lower edges, to whole levels:
 * as `Image.reduce` does, and within a level or two what a JPEG decoded at that scale gives.
 * `pixels` begins at row `first`, a multiple of the factor.
 */
function reduceRows(pixels, width, rows, channels, factor, target, outWidth, first) {
  for (let y = 0; y < rows; y += factor) {
    const high = Math.min(factor, rows - y);
    let out = ((first + y) / factor) * outWidth * 3;
    for (let x = 0; x < width; x += factor) {
      const broad = Math.min(factor, width - x);
      const count = broad * high;
      const share = Math.floor(2 ** 24 / count); // as Pillow divides, exact but for odd edges
      let red = count >> 1;
      let green = red;
      let blue = red;
      for (let j = 0; j < high; j++) {
        let at = ((y + j) * width + x) * channels;
        for (let i = 0; i < broad; i++, at += channels) {
          red += pixels[at];
          green += pixels[at + 1];
          blue += pixels[at + 2];
        }
      }
      target[out++] = (red * share) / 2 ** 24;
      target[out++] = (green * share) / 2 ** 24;
      target[out++] = (blue * share) / 2 ** 24;
    }
  }
}
