// What the page says without being in the way: to the eye in a corner, and to screen readers.

import { byId, iconButton, make, button } from "./dom.js";
import { t } from "./texts.js";

const STAYS = 6000;

/** Say something to screen readers alone. @param {string} text */
export function announce(text) {
  byId("said").textContent = "";
  requestAnimationFrame(() => (byId("said").textContent = text));
}

/**
 * Show a line for a while; what went wrong stays until it is closed.
 * @param {string} text
 * @param {{wrong?: boolean, action?: string, act?: () => void}} [more]
 */
export function say(text, { wrong = false, action, act } = {}) {
  announce(text);
  const toast = make("div", { class: wrong ? "toast wrong" : "toast" }, make("p", { text }));
  const close = () => toast.remove();
  if (action) toast.append(button(action, () => (close(), act()), { kind: "plain" }));
  toast.append(iconButton("close", t("shell.close"), close));
  const all = byId("toasts");
  for (const old of [...all.children]) if (!old.classList.contains("wrong") || all.childElementCount > 2) old.remove();
  all.append(toast);
  if (wrong) return;
  let left = setTimeout(close, STAYS);
  toast.addEventListener("pointerenter", () => clearTimeout(left));
  toast.addEventListener("pointerleave", () => (left = setTimeout(close, STAYS / 2)));
}

/**
 * Do it, and where that fails say why. Resolves to `undefined` then.
 * @template T @param {() => Promise<T>} work @returns {Promise<T | undefined>}
 */
export async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    if (error.name !== "AbortError") say(error.message, { wrong: true });
    return undefined;
  }
}
