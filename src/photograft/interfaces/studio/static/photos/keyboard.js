// The keyboard on a shelf: moving, choosing, one key per class.

import { isCovered, isWriting, showKeys } from "../core/keys.js";
import { state } from "../core/store.js";
import { classOf } from "./class_keys.js";
import { redo, undo } from "./shelf.js";

const KEYS = [
  ["← ↑ → ↓", "keys.move"],
  ["Shift+→", "keys.extend"],
  ["Ctrl+A", "keys.all"],
  ["Ctrl+Space", "keys.toggle"],
  ["Space", "keys.open"],
  ["1 2 … q", "keys.label"],
  ["u", "keys.unlabel"],
  ["x", "keys.exclude"],
  ["Esc", "keys.none_chosen"],
  ["Ctrl+Z", "keys.undo"],
  ["Ctrl+Shift+Z", "keys.redo"],
];

/**
 * @param {import("./grid.js").Grid} grid
 * @param {import("./selection.js").Selection} selection
 * @param {{open: (place: number) => void, label: (label: string | null) => void, exclude: () => void}} acts
 * @param {AbortSignal} signal
 */
export function listenToKeys(grid, selection, acts, signal) {
  showKeys(KEYS);
  addEventListener("keydown", (event) => {
    if (event.defaultPrevented || isWriting(event) || isCovered()) return;
    if (act(event)) event.preventDefault();
  }, { signal });

  function act(event) {
    const isCommand = event.ctrlKey || event.metaKey;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (isCommand && key === "z") return event.shiftKey ? redo() : undo();
    if (isCommand && key === "y") return redo();
    if (event.altKey) return false;
    const isHere = document.activeElement === grid.element || document.activeElement === document.body || document.activeElement?.id === "place";
    if (isHere && isCommand && key === "a") return done(() => selection.all());
    if (key === "Escape" && selection.chosen.size) return done(() => selection.none());
    if (isHere && move(event, key)) return true;
    if (isCommand || !selection.chosen.size) return false;
    const label = classOf(event, state.project?.classes ?? []);
    if (label) return done(() => acts.label(label));
    if (key === "u") return done(() => acts.label(null));
    if (key === "x" || key === "Delete") return done(acts.exclude);
    return false;
  }

  function move(event, key) {
    const at = selection.cursor;
    const steps = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at - grid.columns,
      ArrowDown: at + grid.columns,
      PageUp: at - grid.page,
      PageDown: at + grid.page,
      Home: 0,
      End: selection.ids.length - 1,
    };
    if (key in steps) {
      const to = at < 0 ? 0 : steps[key];
      if (to < 0 || to >= selection.ids.length && key === "ArrowDown") return true;
      selection.move(to, event.shiftKey);
      grid.reveal(selection.cursor);
      return true;
    }
    if (key === " " && at >= 0) {
      if (event.ctrlKey) selection.toggle(at);
      else acts.open(at);
      return true;
    }
    return key === "Enter" && at >= 0 ? done(() => acts.open(at)) : false;
  }
}

function done(work) {
  work();
  return true;
}
