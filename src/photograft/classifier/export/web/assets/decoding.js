// From a file to what the network is fed. The browser decodes; the rest is done as the library does.

/** Rows that are read from a picture at a time: a whole large one twice would be too much. */
const STRIP_PIXELS = 1 << 22;
const LARGE = 100_000_000;
/** No canvas may be wider in every browser. */
const MAX_SIDE = 32_767;

class PhotoError extends Error {}

/** Whether a file is a JPEG, which the library decodes at a reduced scale where it is large. */
async function isJpeg(blob) {
  const start = new Uint8Array(await blob.slice(0, 3).arrayBuffer());
  return start[0] === 0xff && start[1] === 0xd8 && start[2] === 0xff;
}

/** By how much a picture is averaged before it is resized: as the library's `decode` has it. */
function factorOf(width, height, jpeg, decodedFor) {
  const possible = Math.floor(Math.min(width, height) / (2 * decodedFor));
  if (!jpeg) return width * height > LARGE ? Math.max(possible, 1) : 1;
  return [8, 4, 2].find((factor) => factor <= possible) ?? 1;
}

async function opened(blob) {
  if (blob.size === 0) throw new PhotoError("empty");
  try {
    return await createImageBitmap(blob, {
      imageOrientation: "from-image",
      colorSpaceConversion: "none",
      premultiplyAlpha: "none",
    });
  } catch {
    throw new PhotoError("unreadable");
  }
}

/** Call back with an opaque picture's pixels, some rows at a time; what is transparent is white. */
function stripsOf(picture, multiple) {
  const { width, height } = picture;
  const fit = Math.max(Math.floor(STRIP_PIXELS / width / multiple), 1) * multiple;
  const rows = Math.min(fit, height);
  const canvas = new OffscreenCanvas(width, rows);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  return (use) => {
    for (let first = 0; first < height; first += rows) {
      const count = Math.min(rows, height - first);
      context.fillStyle = "#fff";
      context.fillRect(0, 0, width, count);
      context.drawImage(picture, 0, -first);
      use(context.getImageData(0, 0, width, count).data, first, count);
    }
  };
}

function checkSize(width, height, most) {
  if (width * height > most || Math.max(width, height) > MAX_SIDE) throw new PhotoError("large");
}

/** Return what each look sees of a picture, one after another: RGB bytes of its input size. */
function seenBy(looks, width, height, channels, strips) {
  const seen = looks.records.map((record) =>
    resized(width, height, channels, strips, { ...record, tall_first: looks.tall_first }));
  const packed = new Uint8Array(seen.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const pixels of seen) {
    packed.set(pixels, at);
    at += pixels.length;
  }
  return packed;
}

/** Return the pixels that the looks see of a picture. */
function pixelsOf(picture, jpeg, looks, maxPixels) {
  const { width, height } = picture;
  checkSize(width, height, maxPixels);
  const factor = factorOf(width, height, jpeg, looks.decoded_for);
  const strips = stripsOf(picture, factor);
  if (factor === 1) return seenBy(looks, width, height, 4, strips);
  const outWidth = Math.ceil(width / factor);
  const outHeight = Math.ceil(height / factor);
  const small = new Uint8Array(outWidth * outHeight * 3);
  strips((pixels, first, rows) =>
    reduceRows(pixels, width, rows, 4, factor, small, outWidth, first));
  return seenBy(looks, outWidth, outHeight, 3, (use) => use(small, 0, outHeight));
}

/**
 * Return what the looks see of a large JPEG, and a smaller picture of it: decoded here, at the
 * scale at which the library has it. Null where it is not large, or of a kind that is not read here.
 */
async function largeJpeg(blob, looks, maxPixels) {
  const data = new Uint8Array(await blob.arrayBuffer());
  try {
    const head = jpegHead(data);
    if (!head) return null;
    checkSize(head.width, head.height, maxPixels);
    const factor = factorOf(head.width, head.height, true, looks.decoded_for);
    if (factor === 1) return null;
    const { pixels, width, height } = jpegPixels(data, factor);
    const seen = seenBy(looks, width, height, 3, (use) => use(pixels, 0, height));
    const image = new ImageData(width, height);
    for (let i = 0, out = 0; i < pixels.length; i += 3, out += 4) {
      image.data.set([pixels[i], pixels[i + 1], pixels[i + 2], 255], out);
    }
    return { pixels: seen, picture: await createImageBitmap(image) };
  } catch (error) {
    if (error instanceof PhotoError) throw error;
    return null; // the browser may read it
  }
}

/** Return what the looks see of a photo, and a picture of it that is to be closed. */
async function readPhoto(blob, looks, maxPixels) {
  const jpeg = await isJpeg(blob);
  const large = jpeg ? await largeJpeg(blob, looks, maxPixels) : null;
  if (large) return large;
  const picture = await opened(blob);
  return { pixels: pixelsOf(picture, jpeg, looks, maxPixels), picture };
}
