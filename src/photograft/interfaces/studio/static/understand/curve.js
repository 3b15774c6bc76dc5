// How sure may I be: the accuracy that is wanted, against the share of photos that get an answer.

import { draw, make, setText } from "../core/dom.js";
import { percent, t } from "../core/texts.js";

const WIDTH = 560;
const HEIGHT = 270;
const EDGE = { left: 48, right: 14, top: 30, bottom: 52 };

/** @param {{share: number, accuracy: number, threshold: number}[]} curve from sure answers to all of them */
export function sureness(curve) {
  const points = [...curve].sort((a, b) => a.share - b.share);
  const all = points[points.length - 1];
  const best = Math.max(...points.map(({ accuracy }) => accuracy));
  const low = Math.floor(Math.min(...points.map(({ accuracy }) => accuracy)) * 50) / 50 - 0.02;
  const x = (share) => EDGE.left + share * (WIDTH - EDGE.left - EDGE.right);
  const y = (accuracy) => HEIGHT - EDGE.bottom - ((accuracy - low) / (1 - low)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const path = points.map(({ share, accuracy }, i) => `${i ? "L" : "M"}${x(share).toFixed(1)} ${y(accuracy).toFixed(1)}`).join("");
  const dot = draw("circle", { class: "curve-dot", r: 6.5 });
  const across = draw("path", { class: "curve-guide" });
  const chart = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "curve", role: "img", "aria-label": t("understand.curve_words", { all: percent(all.accuracy), best: percent(best) }) }, ...grid(low, x, y), across, draw("path", { class: "curve-line", d: path }), dot);

  const words = make("p", { class: "sure-words", role: "status" });
  const rule = make("p", { class: "faint small-text" });
  const slider = make("input", { type: "range", class: "sure-slider", min: String(Math.floor(all.accuracy * 1000) / 10), max: String(Math.floor(best * 1000) / 10), step: "0.1", "aria-label": t("understand.wanted") });
  slider.value = slider.min;
  const show = () => {
    const wanted = Number(slider.value) / 100;
    const point = pointFor(points, wanted);
    dot.setAttribute("cx", x(point.share));
    dot.setAttribute("cy", y(point.accuracy));
    across.setAttribute("d", `M${x(0)} ${y(point.accuracy)}H${x(point.share)}V${y(low)}`);
    const values = { accuracy: percent(point.accuracy), share: percent(point.share), rest: percent(1 - Math.round(100 * point.share) / 100) };
    const text = point.share > 0.9995 ? t("understand.answers_all", values) : t("understand.answers_some", values);
    setText(words, text);
    setText(rule, t("understand.rule", { threshold: percent(point.threshold) }));
    slider.setAttribute("aria-valuetext", text);
  };
  slider.addEventListener("input", show);
  show();
  return make(
    "div",
    { class: "sure" },
    chart,
    make("div", { class: "sure-side" }, make("label", { class: "sure-label" }, make("span", { text: t("understand.wanted") }), slider), words, rule),
  );
}

/** The point that answers most photos and is still so accurate. */
export function pointFor(points, wanted) {
  const good = points.filter(({ accuracy }) => accuracy >= wanted - 0.0005);
  return good.length ? good[good.length - 1] : points.reduce((a, b) => (b.accuracy > a.accuracy ? b : a));
}

function grid(low, x, y) {
  const parts = [];
  const step = 1 - low > 0.3 ? 0.1 : 1 - low > 0.12 ? 0.05 : 0.02;
  for (let value = 1; value >= low; value -= step) {
    parts.push(draw("line", { class: "curve-grid", x1: x(0), x2: x(1), y1: y(value), y2: y(value) }));
    parts.push(label(x(0) - 8, y(value) + 4, "end", percent(value)));
  }
  parts.push(label(0, 12, "start", t("understand.axis_accuracy")), label(x(1), HEIGHT - 6, "end", t("understand.axis_share")));
  for (const share of [0, 0.25, 0.5, 0.75, 1]) parts.push(label(x(share), HEIGHT - EDGE.bottom + 20, share === 1 ? "end" : "middle", percent(share)));
  return parts;
}

function label(x, y, anchor, text) {
  const element = draw("text", { x, y, "text-anchor": anchor, class: "curve-label" });
  element.textContent = text;
  return element;
}
