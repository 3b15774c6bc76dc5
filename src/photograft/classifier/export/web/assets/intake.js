// Photos that are dropped, chosen or pasted, as files with the names that they are shown under.

/** The files of what was dropped, those in folders at every depth; hidden ones are left out. */
async function filesDropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.());
  if (entries.length && entries.every(Boolean)) {
    const found = [];
    for (const entry of entries) await walk(entry, "", found);
    return found;
  }
  return namedFiles(transfer.files);
}

async function walk(entry, path, found) {
  if (path && entry.name.startsWith(".")) return;
  const name = path + entry.name;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    if (!path || looksLikePhoto(file)) found.push({ name, blob: file });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A hundred at a time, as browsers give them.
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return;
    for (const child of part) await walk(child, `${name}/`, found);
  }
}

/** Folders hold other files, too, that nobody means. */
const looksLikePhoto = (file) => file.type.startsWith("image/");

function namedFiles(files) {
  return [...files]
    .map((file) => ({ name: file.webkitRelativePath || file.name, blob: file }))
    .filter(({ name, blob }) => !name.includes("/") || (looksLikePhoto(blob) && !/(^|\/)\./.test(name)));
}
