// Photos behind a cell, and mistakes: thumbnails, and beside them why the one that is chosen was so answered.

import { get, post, thumb } from "../core/api.js";
import { iconButton, make } from "../core/dom.js";
import { attempt, say } from "../core/messages.js";
import { state } from "../core/store.js";
import { percent, t } from "../core/texts.js";
import { explanation } from "../parts/explanation.js";
import { undo } from "../photos/shelf.js";

/**
 * A row of photos with the explanation of one of them below.
 * @param {{id: string | null, probability: number, label?: string, predicted?: string}[]} all
 * @param {AbortSignal} signal
 */
export function photoStrip(all, signal) {
  const photos = all.filter(({ id }) => id); // those that are still at hand
  const detail = make("div", { class: "strip-detail" });
  let asking = new AbortController();
  const tiles = photos.map((one, i) =>
    make(
      "button",
      {
        type: "button",
        class: "strip-photo",
        "aria-pressed": "false",
        "aria-label": one.predicted ? t("understand.mistake_words", { label: one.label, predicted: one.predicted, share: percent(one.probability) }) : t("understand.photo_words", { share: percent(one.probability) }),
        on: { click: () => choose(i) },
      },
      make("img", { src: thumb(one.id, 160), alt: "", loading: "lazy" }),
      make("span", { class: "strip-words" }, ...wordsOf(one)),
    ),
  );

  function choose(i) {
    asking.abort();
    asking = new AbortController();
    for (const [j, tile] of tiles.entries()) tile.setAttribute("aria-pressed", String(i === j));
    const shown = explanation(photos[i].id, AbortSignal.any([signal, asking.signal]));
    detail.replaceChildren(shown, correction(photos[i]));
  }

  const list = make("div", { class: "strip", role: "group", "aria-label": t("understand.photos") }, ...tiles);
  list.addEventListener("keydown", (event) => {
    const at = tiles.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1 }[event.key];
    if (at < 0 || !tiles[to]) return;
    event.preventDefault();
    tiles[to].focus();
    choose(to);
  });
  if (tiles.length) choose(0);
  return make("div", { class: "photo-strip" }, list, detail);
}

function wordsOf({ label, predicted, probability }) {
  if (!predicted) return [make("span", { text: percent(probability) })];
  return [make("span", { class: "cut", text: t("understand.is", { label }) }), make("span", { class: "cut wrong", text: t("understand.taken", { label: predicted }) })];
}

/** Where it is the label that is wrong, it is put right here. */
function correction({ id }) {
  const names = state.project?.classes.map(({ name }) => name) ?? [];
  const field = make(
    "select",
    { class: "field small", on: { change: () => put(field.value) } },
    make("option", { value: "", text: t("understand.choose") }),
    ...names.map((name) => make("option", { value: name, text: name })),
  );
  const put = async (label) => {
    if (!label) return;
    const done = await attempt(() => post("/api/label", { ids: [id], label }));
    if (done) say(done.what, { action: t("photos.undo"), act: undo });
  };
  return make("label", { class: "correction" }, make("span", { text: t("understand.label_wrong") }), field);
}

/** The photos of one cell, below the matrix. */
export async function cellPanel(actual, predicted, signal, closed) {
  const found = await attempt(() => get("/api/run/cell", { actual, predicted }, signal));
  if (!found || signal.aborted) return null;
  const title = t(actual === predicted ? "understand.cell_right" : "understand.cell_wrong", { count: found.photos.length, actual, predicted, share: "" });
  const heading = make("h3", { tabindex: "-1", text: title });
  return make(
    "div",
    { class: "cell-panel" },
    make("div", { class: "panel-head" }, heading, iconButton("close", t("shell.close"), closed)),
    found.photos.some(({ id }) => id) ? photoStrip(found.photos, signal) : make("p", { class: "faint", text: t("understand.cell_empty") }),
  );
}

