// Keys that do something, and the list of them.

import { byId, make } from "./dom.js";
import { t } from "./texts.js";
import { sheet } from "../parts/sheet.js";

/** Keys of the place that is open: pairs of what to press and what it does. */
let shown = [];

/** Say which keys this place has. @param {[string, string][]} keys keys, and a text's name */
export const showKeys = (keys) => (shown = keys);

/** Whether the user is writing, so that letters are letters. */
export function isWriting({ target }) {
  return target instanceof HTMLElement && Boolean(target.closest("input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]"));
}

/** Whether an open dialog has the keys. */
export const isCovered = () => Boolean(document.querySelector("dialog[open]"));

export function startKeys() {
  byId("help").addEventListener("click", help);
  addEventListener("keydown", (event) => {
    if (event.key !== "?" || isWriting(event) || isCovered()) return;
    event.preventDefault();
    help();
  });
}

function help() {
  const rows = shown.map(([keys, text]) =>
    make("div", {}, make("dt", {}, ...keys.split(" ").map((key) => make("kbd", { text: key }))), make("dd", { text: t(text) })),
  );
  const none = make("p", { class: "faint", text: t("keys.none") });
  sheet(t("shell.keys"), rows.length ? make("dl", { class: "keys" }, ...rows) : none);
}
