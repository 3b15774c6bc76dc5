// One photo, large, with a line below it.

import { make } from "../core/dom.js";
import { t } from "../core/texts.js";
import { sheet } from "./sheet.js";

/** @param {string} address @param {string} [words] */
export function showPhoto(address, words) {
  const picture = make("img", { class: "sheet-photo", src: address, alt: t("viewer.photo") });
  sheet(words || t("viewer.photo"), picture, { class: "wide" });
}
