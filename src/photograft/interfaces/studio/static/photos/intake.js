// Photos that are dropped, chosen or pasted: found in their folders, then sent a few at a time.

import { send } from "../core/api.js";
import { say } from "../core/messages.js";
import { t } from "../core/texts.js";

/** @typedef {{name: string, blob: Blob, label: string | null, group?: string}} Incoming */

/** As many are sent at once as leave connections for thumbnails. */
const AT_ONCE = 3;

/** What is under way; lives on when another place is opened. */
export const intake = {
  /** @type {Incoming[]} */ waiting: [],
  total: 0,
  done: 0,
  failed: 0,
  same: 0,
  running: 0,
  lastProblem: "",
  /** @type {Set<() => void>} */ watchers: new Set(),
};

const tell = () => intake.watchers.forEach((use) => use());

/** Send these. @param {Incoming[]} photos */
export function bring(photos) {
  if (!photos.length) return say(t("bring.nothing"), { wrong: true });
  intake.waiting.push(...photos);
  intake.total += photos.length;
  tell();
  while (intake.running < AT_ONCE && intake.waiting.length) {
    intake.running++;
    work();
  }
  return undefined;
}

export function stopBringing() {
  intake.total -= intake.waiting.length;
  intake.waiting.length = 0;
  tell();
}

async function work() {
  for (let next = intake.waiting.shift(); next; next = intake.waiting.shift()) {
    const { name, blob, label, group } = next;
    try {
      const { duplicate } = await send("/api/photos", blob, { name, label, group });
      if (duplicate) intake.same++;
    } catch (error) {
      intake.failed++;
      intake.lastProblem = `${name}: ${error.message}`;
      if (error.status === 0) stopBringing(); // the server is gone
    }
    intake.done++;
    tell();
  }
  if (--intake.running) return;
  finish();
}

function finish() {
  const { done, failed, same, lastProblem } = intake;
  Object.assign(intake, { total: 0, done: 0, failed: 0, same: 0, lastProblem: "" });
  tell();
  const words = [t("bring.done", { count: done - failed - same })];
  if (same) words.push(t("bring.same", { count: same }));
  if (failed) words.push(t("bring.failed", { count: failed, example: lastProblem }));
  say(words.join(" "), { wrong: failed > 0 });
}

/** Folders hold other files, too, that nobody means. */
const looksLikePhoto = ({ name, type }) => type.startsWith("image/") || /\.(heic|heif|avif|tiff?|webp|bmp|jpe?g|png)$/i.test(name);

/**
 * The photos of what was dropped, at every depth; hidden files are left out. Photos in folders
 * are of the class that their folder is called; loose ones of `label`.
 * @param {DataTransfer} transfer @param {string | null} label @param {boolean} byFolder
 * @returns {Promise<Incoming[]>}
 */
export async function dropped(transfer, label, byFolder) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return chosen(transfer.files, label, byFolder);
  const found = [];
  for (const entry of entries) await walk(entry, [], found);
  return found.map(({ folders, file }) => incoming(file, folders, label, byFolder));
}

async function walk(entry, folders, found) {
  if (entry.name.startsWith(".")) return;
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    if (looksLikePhoto(file)) found.push({ folders, file });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A hundred at a time, as browsers give them.
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return;
    for (const child of part) await walk(child, [...folders, entry.name], found);
  }
}

/** The photos of a file dialog, likewise. @param {FileList} files */
export function chosen(files, label, byFolder) {
  return [...files]
    .filter((file) => looksLikePhoto(file) && !/(^|\/)\./.test(file.webkitRelativePath))
    .map((file) => incoming(file, file.webkitRelativePath.split("/").slice(0, -1), label, byFolder));
}

function incoming(file, folders, label, byFolder) {
  const own = folders.length && byFolder ? folders[folders.length - 1] : null;
  return { name: file.name, blob: file, label: own ?? label };
}
