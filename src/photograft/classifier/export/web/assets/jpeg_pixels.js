// The pixels of a JPEG at a half, a quarter or an eighth of its size: to the byte those that
// libjpeg gives, which the library has them decoded by. No browser does it.

const BITS = 13;
const FIRST_BITS = 2;
const rounded = (value, shift) => (value + (1 << (shift - 1))) >> shift;
const bounded = (value) => (value < 0 ? 0 : value > 255 ? 255 : value);

/** Return RGB bytes of a JPEG, upright, its sides `factor` times shorter: 2, 4 or 8. */
function jpegPixels(data, factor) {
  const frame = jpegFrame(data);
  const size = 8 / factor;
  const [width, height] = [frame.width, frame.height].map((side) => Math.ceil(side / factor));
  const planes = frame.components.map((component) => planeOf(component, frame, size, width));
  const { orientation } = jpegHead(data);
  return turned(coloured(planes, width, height), width, height, orientation);
}

/** The levels of a component; those of colours that are stored smaller come as large as may be. */
function planeOf(component, frame, least, width) {
  const { h, v, blocksAcross, blocksDown, coefficients, quant } = component;
  const { maxH, maxV } = frame;
  let size = least;
  while (size < 8 && (maxH * least) % (h * size * 2) === 0 && (maxV * least) % (v * size * 2) === 0) {
    size *= 2;
  }
  const [wider, taller] = [(maxH * least) / (h * size), (maxV * least) / (v * size)];
  if (taller !== 1 || (wider !== 1 && wider !== 2)) throw new JpegError("of sides not read here");
  const line = blocksAcross * size;
  const levels = new Uint8Array(line * blocksDown * size);
  const transform = { 1: inverse1, 2: inverse2, 4: inverse4, 8: inverse8 }[size];
  const block = new Int32Array(64);
  const work = new Int32Array(64);
  for (let y = 0, at = 0; y < blocksDown; y++) {
    for (let x = 0; x < blocksAcross; x++, at += 64) {
      for (let i = 0; i < 64; i++) block[i] = coefficients[at + i] * quant[i];
      transform(block, work, levels, y * size * line + x * size, line);
    }
  }
  if (wider === 1) return { levels, line };
  const own = Math.ceil((frame.width * h * size) / (maxH * 8));
  return widened(levels, line, own, blocksDown * size, width, least > 1 && own > 2);
}

/** Twice as many columns: a quarter of the neighbour's level comes to three of one's own. */
function widened(levels, line, own, rows, width, isSmooth) {
  const longer = 2 * own;
  const found = new Uint8Array(longer * rows);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < own; x++) {
      const level = levels[y * line + x];
      const before = isSmooth && x > 0 ? levels[y * line + x - 1] : level;
      const after = isSmooth && x < own - 1 ? levels[y * line + x + 1] : level;
      found[y * longer + 2 * x] = (3 * level + before + 1) >> 2;
      found[y * longer + 2 * x + 1] = (3 * level + after + 2) >> 2;
    }
  }
  return { levels: found, line: longer };
}

function coloured(planes, width, height) {
  const found = new Uint8Array(width * height * 3);
  const [light, blues, reds] = planes;
  for (let y = 0, out = 0; y < height; y++) {
    for (let x = 0; x < width; x++, out += 3) {
      const level = light.levels[y * light.line + x];
      if (!blues) {
        found[out] = found[out + 1] = found[out + 2] = level;
        continue;
      }
      const blue = blues.levels[y * blues.line + x] - 128;
      const red = reds.levels[y * reds.line + x] - 128;
      found[out] = bounded(level + ((91881 * red + 32768) >> 16));
      found[out + 1] = bounded(level + ((-22554 * blue - 46802 * red + 32768) >> 16));
      found[out + 2] = bounded(level + ((116130 * blue + 32768) >> 16));
    }
  }
  return found;
}

/** A picture as EXIF says that it lies. */
function turned(pixels, width, height, orientation) {
  if (orientation === 1) return { pixels, width, height };
  const isAcross = orientation > 4;
  const [outWidth, outHeight] = isAcross ? [height, width] : [width, height];
  const [mirrorsX, mirrorsY] = [[2, 3, 7, 8], [3, 4, 6, 7]].map((some) => some.includes(orientation));
  const found = new Uint8Array(pixels.length);
  for (let y = 0, out = 0; y < outHeight; y++) {
    for (let x = 0; x < outWidth; x++, out += 3) {
      const [u, v] = isAcross ? [y, x] : [x, y];
      const at = ((mirrorsY ? height - 1 - v : v) * width + (mirrorsX ? width - 1 - u : u)) * 3;
      found[out] = pixels[at];
      found[out + 1] = pixels[at + 1];
      found[out + 2] = pixels[at + 2];
    }
  }
  return { pixels: found, width: outWidth, height: outHeight };
}

function inverse1(block, work, levels, at) {
  levels[at] = bounded(rounded(block[0], 3) + 128);
}

function inverse2(block, work, levels, at, line) {
  const odd = (from, a, b, c, d) => -5906 * from[d] + 6967 * from[c] - 10426 * from[b] + 29692 * from[a];
  for (const x of [0, 1, 3, 5, 7]) {
    const even = block[x] * 2 ** (BITS + 2);
    const other = odd(block, x + 8, x + 24, x + 40, x + 56);
    work[x] = rounded(even + other, BITS - FIRST_BITS + 2);
    work[x + 8] = rounded(even - other, BITS - FIRST_BITS + 2);
  }
  for (let y = 0; y < 2; y++) {
    const even = work[8 * y] * 2 ** (BITS + 2);
    const other = odd(work, 8 * y + 1, 8 * y + 3, 8 * y + 5, 8 * y + 7);
    levels[at + y * line] = bounded(rounded(even + other, BITS + FIRST_BITS + 5) + 128);
    levels[at + y * line + 1] = bounded(rounded(even - other, BITS + FIRST_BITS + 5) + 128);
  }
}

function inverse4(block, work, levels, at, line) {
  for (let x = 0; x < 8; x++) {
    if (x !== 4) four(block, x, 8, BITS - FIRST_BITS + 1, work, x, 8);
  }
  const out = new Int32Array(4);
  for (let y = 0; y < 4; y++) {
    four(work, 8 * y, 1, BITS + FIRST_BITS + 4, out, 0, 1);
    for (let x = 0; x < 4; x++) levels[at + y * line + x] = bounded(out[x] + 128);
  }
}

/** Four values of eight coefficients, `step` apart; the fifth of these has no part in it. */
function four(from, at, step, shift, to, place, apart) {
  const c = (k) => from[at + k * step];
  const whole = c(0) * 2 ** (BITS + 1);
  const second = 15137 * c(2) - 6270 * c(6);
  const [outer, inner] = [whole + second, whole - second];
  const near = -1730 * c(7) + 11893 * c(5) - 17799 * c(3) + 8697 * c(1);
  const far = -4176 * c(7) - 4926 * c(5) + 7373 * c(3) + 20995 * c(1);
  to[place] = rounded(outer + far, shift);
  to[place + 3 * apart] = rounded(outer - far, shift);
  to[place + apart] = rounded(inner + near, shift);
  to[place + 2 * apart] = rounded(inner - near, shift);
}

function inverse8(block, work, levels, at, line) {
  for (let x = 0; x < 8; x++) eight(block, x, 8, BITS - FIRST_BITS, work, x, 8);
  const out = new Int32Array(8);
  for (let y = 0; y < 8; y++) {
    eight(work, 8 * y, 1, BITS + FIRST_BITS + 3, out, 0, 1);
    for (let x = 0; x < 8; x++) levels[at + y * line + x] = bounded(out[x] + 128);
  }
}

/** Loeffler, Ligtenberg and Moschytz's eight points, as libjpeg's slow transform has them. */
function eight(from, at, step, shift, to, place, apart) {
  const c = (k) => from[at + k * step];
  const turn = (c(2) + c(6)) * 4433;
  const [low, high] = [turn - 15137 * c(6), turn + 6270 * c(2)];
  const [sum, difference] = [(c(0) + c(4)) * 2 ** BITS, (c(0) - c(4)) * 2 ** BITS];
  const even = [sum + high, difference + low, difference - low, sum - high];
  const five = (c(7) + c(3) + c(5) + c(1)) * 9633;
  const one = -7373 * (c(7) + c(1));
  const two = -20995 * (c(5) + c(3));
  const three = -16069 * (c(7) + c(3)) + five;
  const last = -3196 * (c(5) + c(1)) + five;
  const odd = [
    12299 * c(1) + one + last,
    25172 * c(3) + two + three,
    16819 * c(5) + two + last,
    2446 * c(7) + one + three,
  ];
  for (let k = 0; k < 4; k++) {
    to[place + k * apart] = rounded(even[k] + odd[k], shift);
    to[place + (7 - k) * apart] = rounded(even[k] - odd[k], shift);
  }
}
