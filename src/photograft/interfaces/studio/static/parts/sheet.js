// A dialog for what needs one, and no more: choosing a folder, the list of keys.

import { iconButton, make } from "../core/dom.js";
import { t } from "../core/texts.js";

/**
 * Open a dialog; Escape, the cross or a click beside it closes it.
 * @param {string} title @param {Node} body @param {{class?: string, onClose?: () => void}} [more]
 * @returns {HTMLDialogElement}
 */
export function sheet(title, body, { class: kind = "", onClose } = {}) {
  const heading = make("h2", { id: "sheet-title", text: title });
  const close = iconButton("close", t("shell.close"), () => dialog.close());
  const dialog = make(
    "dialog",
    { class: `sheet ${kind}`, "aria-labelledby": "sheet-title" },
    make("div", { class: "sheet-head" }, heading, close),
    body,
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    onClose?.();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
