// Understanding the classifier: how good, what it confuses and why, how sure one may be, what would help.

import { get } from "../core/api.js";
import { button, make, styled } from "../core/dom.js";
import { attempt } from "../core/messages.js";
import { query, setQuery } from "../core/router.js";
import { state, watch } from "../core/store.js";
import { number, percent, t } from "../core/texts.js";
import { jobPanel, linkTo, startJob, teach } from "../parts/job.js";
import { sureness } from "./curve.js";
import { confusionMatrix } from "./matrix.js";
import { cellPanel, photoStrip } from "./photos.js";

/** @param {HTMLElement} root @param {AbortSignal} signal */
export function open(root, signal) {
  const page = make("div", { class: "page" });
  root.append(page);
  watch("run", async () => {
    const run = await attempt(() => get("/api/run", {}, signal));
    if (!run || signal.aborted) return;
    if (run.state === "none") page.replaceChildren(nothingYet());
    else page.replaceChildren(...parts(run, signal));
  }, signal);
}

function nothingYet() {
  const isReady = state.project?.classes.length > 1;
  return teach("understand", "understand.none", isReady ? linkTo("/train", t("go.train"), "large") : linkTo("/photos", t("go.photos"), "large"));
}

function parts(run, signal) {
  return [
    run.state === "stale" && make("p", { class: "notice", text: t("train.stale") }),
    hero(run),
    run.curve?.length > 1 && panel("sure", sureness(run.curve)),
    matrixPanel(run, signal),
    run.mistakes?.some(({ id }) => id) && panel("mistakes", photoStrip(run.mistakes, signal)),
    classesPanel(run),
    morePanel(run, signal),
    run.tried?.length && tried(run.tried),
  ].filter(Boolean);
}

function panel(name, ...children) {
  const id = `understand-${name}`;
  return make(
    "section",
    { class: "panel", "aria-labelledby": id },
    make("h2", { id, text: t(`understand.titles.${name}`) }),
    make("p", { class: "faint panel-lead", text: t(`understand.leads.${name}`) }),
    ...children,
  );
}

function hero({ accuracy, interval, part, verdict, notes, name }) {
  const [low, high] = interval ?? [0, 1];
  const range = styled(make("span", { class: "range-interval" }), { left: `${100 * low}%`, width: `${100 * (high - low)}%` });
  const mark = styled(make("span", { class: "range-mark" }), { left: `${100 * accuracy}%` });
  return make(
    "section",
    { class: "panel hero" },
    make(
      "div",
      { class: "hero-figure" },
      make("p", { class: "big-figure", text: percent(accuracy) }),
      interval && make("div", { class: "range", "aria-hidden": "true" }, range, mark),
      interval && make("p", { class: "faint small-text", text: t("live.interval", { low: percent(low), high: percent(high) }) }),
      make("p", { class: "faint small-text", text: t(`understand.parts.${part}`) }),
    ),
    make(
      "div",
      { class: "hero-words" },
      make("h1", { text: t("understand.title", { name }) }),
      ...verdict.map((text, i) => make("p", { class: i ? "" : "verdict", text })),
      notes?.length > 0 && make("details", { class: "notes" }, make("summary", { text: t("understand.notes", { count: notes.length }) }), make("ul", { class: "sentences small-text" }, ...notes.map((text) => make("li", { text })))),
      make("div", { class: "buttons" }, linkTo("/try", t("go.try")), make("a", { class: "button second", href: "/run/report.html", target: "_blank", text: t("understand.report") })),
    ),
  );
}

/** What more photos would bring: measured on demand, since it takes a while. */
function morePanel({ more_photos: said }, signal) {
  const list = make("ul", { class: "sentences" }, ...(said ?? []).map((text) => make("li", { text })));
  const measure = button(t("understand.measure"), () => startJob("learning-curve"), { kind: "second" });
  const under = jobPanel(["learning-curve"], signal);
  return panel("more", said?.length ? list : make("div", { class: "buttons" }, measure), under);
}

function matrixPanel({ class_names: names, matrix }, signal) {
  if (!matrix?.length) return null;
  const below = make("div", { class: "cell-photos" });
  let shown = new AbortController();
  const open = async (actual, predicted) => {
    shown.abort();
    shown = new AbortController();
    setQuery({ actual, predicted });
    const close = () => {
      setQuery({ actual: null, predicted: null });
      below.replaceChildren();
      element.querySelector(`button[data-actual="${CSS.escape(actual)}"][data-predicted="${CSS.escape(predicted)}"]`)?.focus();
    };
    const found = await cellPanel(actual, predicted, AbortSignal.any([signal, shown.signal]), close);
    if (!found) return;
    below.replaceChildren(found);
    found.querySelector("h3").focus({ preventScroll: true });
    found.scrollIntoView({ block: "nearest", behavior: "smooth" });
  };
  const element = panel("matrix", confusionMatrix(names, matrix, open), below);
  const [actual, predicted] = [query().get("actual"), query().get("predicted")];
  if (names.includes(actual) && names.includes(predicted)) open(actual, predicted);
  return element;
}

function classesPanel({ per_class: classes }) {
  if (!classes?.length) return null;
  const cell = (share) => {
    const known = share !== null && share !== undefined;
    const bar = make("span", { class: "meter", "aria-hidden": "true" }, styled(make("span"), { width: `${100 * (share ?? 0)}%` }));
    return make("td", { class: "share" }, make("span", { class: "figure", text: known ? percent(share) : "–" }), bar);
  };
  const rows = classes.map(({ name, num_photos: count, recall, precision, advice }) =>
    make("tr", {}, make("th", { scope: "row", text: name }), make("td", { class: "figure", text: number(count) }), cell(recall), cell(precision), make("td", { class: "advice faint", text: advice ?? "" })));
  const head = ["class", "photos", "recall", "precision", "advice"].map((key) => make("th", { scope: "col", text: t(`understand.columns.${key}`) }));
  const table = make("table", { class: "plain-table" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
  return panel("classes", make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": t("understand.table") }, table));
}

function tried(all) {
  const rows = all.map(({ what, score }) => make("li", {}, make("span", { text: what }), make("span", { class: "figure", text: score })));
  return make("details", { class: "panel tried" }, make("summary", { text: t("understand.tried") }), make("ul", { class: "tried-list" }, ...rows));
}
