// How good the classifier is that learns while one labels; it moves after each handful.

import { draw, make, setText, styled } from "../core/dom.js";
import { state, watch } from "../core/store.js";
import { number, percent, t } from "../core/texts.js";

const WIDTH = 220;
const HEIGHT = 44;

/** @param {AbortSignal} signal @returns {HTMLElement} */
export function liveCard(signal) {
  const title = make("h2", { class: "side-title", text: t("live.title") });
  const value = make("p", { class: "live-value" });
  const interval = make("p", { class: "live-interval" });
  const line = make("div", { class: "live-line" });
  const classes = make("ul", { class: "live-classes" });
  const details = make("details", { class: "live-details" }, make("summary", { text: t("live.by_class") }), classes);
  const card = make("section", { class: "live-card", "aria-label": t("live.title") }, title, value, interval, line, details);
  let before = null;
  watch("live", (live) => {
    const known = live.accuracy !== null && live.accuracy !== undefined;
    card.dataset.state = live.state;
    setText(value, known ? percent(live.accuracy) : t("live.none"));
    setText(interval, wordsOf(live, known));
    line.replaceChildren(...(live.history?.length > 1 ? [sparkline(live.history, live.interval)] : []));
    details.hidden = !live.per_class?.length || !known;
    classes.replaceChildren(...(live.per_class ?? []).map(classRow));
    if (known && before !== null && Math.abs(live.accuracy - before) > 0.0005) flash(value, live.accuracy > before);
    before = known ? live.accuracy : null;
  }, signal);
  return card;
}

function wordsOf(live, known) {
  if (live.state === "looking" && live.looked?.total) {
    return t("live.looking", { done: live.looked.done, total: live.looked.total });
  }
  if (!known) return live.why || t(state.project?.num_photos ? "live.waiting" : "live.empty");
  const [low, high] = live.interval ?? [];
  const words = low === undefined ? "" : t("live.interval", { low: percent(low), high: percent(high) });
  return [words, t("live.from", { count: live.num_labelled })].filter(Boolean).join(" · ");
}

function flash(value, isBetter) {
  value.classList.remove("better", "worse");
  void value.offsetWidth; // so that the movement starts anew
  value.classList.add(isBetter ? "better" : "worse");
}

function classRow({ name, num_photos: count, recall }) {
  const known = recall !== null && recall !== undefined;
  const bar = make("span", { class: "meter", "aria-hidden": "true" }, styled(make("span"), { width: `${100 * (recall ?? 0)}%` }));
  const words = t("live.class_words", { count });
  return make("li", { title: words }, make("span", { class: "cut", text: name }), bar, make("span", { class: "figure", text: known ? percent(recall) : "–" }));
}

/** The way so far; where it is now has a dot. @param {{num_labelled: number, accuracy: number}[]} history */
function sparkline(history, interval) {
  const shown = history.slice(-40);
  const scores = shown.map(({ accuracy }) => accuracy);
  const low = Math.min(...scores, interval?.[0] ?? 1) - 0.01;
  const high = Math.max(...scores, interval?.[1] ?? 0) + 0.01;
  const x = (i) => 4 + (i / (shown.length - 1)) * (WIDTH - 12);
  const y = (score) => HEIGHT - 4 - ((score - low) / (high - low)) * (HEIGHT - 8);
  const path = scores.map((score, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(score).toFixed(1)}`).join("");
  const last = scores.length - 1;
  const words = t("live.history", { first: percent(scores[0]), last: percent(scores[last]), count: number(shown[last].num_labelled) });
  const parts = [
    draw("path", { class: "spark-fill", d: `${path}L${x(last)} ${HEIGHT}L${x(0)} ${HEIGHT}Z` }),
    draw("path", { class: "spark", d: path }),
    draw("circle", { class: "spark-dot", cx: x(last), cy: y(scores[last]), r: 3.5 }),
  ];
  if (interval) parts.unshift(draw("line", { class: "spark-interval", x1: x(last), x2: x(last), y1: y(interval[0]), y2: y(interval[1]) }));
  return draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": words, class: "sparkline" }, ...parts);
}
