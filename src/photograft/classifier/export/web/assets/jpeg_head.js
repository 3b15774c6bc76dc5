// The head of a JPEG: its parts, its size, and which way up it lies.

class JpegError extends Error {}

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
