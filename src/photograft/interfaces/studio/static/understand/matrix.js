// The confusion matrix: rows are the true classes, columns the answers; each cell opens its photos.

import { make } from "../core/dom.js";
import { number, percent, t } from "../core/texts.js";

const SHADES = 5;
const DENSE = 9;

/**
 * @param {string[]} names @param {number[][]} matrix
 * @param {(actual: string, predicted: string) => void} open
 */
export function confusionMatrix(names, matrix, open) {
  const head = make(
    "thead",
    {},
    make("tr", {}, make("td", { class: "faint small-text", text: t("understand.matrix_corner") }), ...names.map((name) => make("th", { scope: "col" }, make("span", { text: name })))),
  );
  const rows = matrix.map((row, i) => {
    const total = row.reduce((sum, count) => sum + count, 0);
    return make("tr", {}, make("th", { scope: "row", text: names[i] }), ...row.map((count, j) => cell(count, total, i, j)));
  });

  function cell(count, total, i, j) {
    if (!count) return make("td", { class: "none", text: i === j ? "0" : "·" });
    const share = count / total;
    const shade = 1 + Math.min(Math.floor(share * SHADES), SHADES - 1);
    const values = { count, actual: names[i], predicted: names[j], share: percent(share) };
    const words = t(i === j ? "understand.cell_right" : "understand.cell_wrong", values);
    return make(
      "td",
      { class: `${i === j ? "right" : "wrong"}-${shade}` },
      make("button", { type: "button", "aria-label": words, title: words, text: number(count), data: { actual: names[i], predicted: names[j] }, on: { click: () => open(names[i], names[j]) } }),
    );
  }
  const kind = names.length > DENSE ? "matrix dense" : "matrix";
  return make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("understand.matrix") }, make("table", { class: kind }, make("caption", { class: "hidden", text: t("understand.matrix_hint") }), head, make("tbody", {}, ...rows)));
}
