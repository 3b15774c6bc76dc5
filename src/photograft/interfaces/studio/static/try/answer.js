// What the classifier says of one photo, and what to do where it is wrong.

import { send } from "../core/api.js";
import { button, make } from "../core/dom.js";
import { attempt, say } from "../core/messages.js";
import { state } from "../core/store.js";
import { number, percent, t } from "../core/texts.js";
import { bars, heatPhoto, neighbourRow } from "../parts/explanation.js";

/** The answer in words. @param {any} found what `POST /api/try` says */
export function said({ answer, probabilities, ood }) {
  const [label, share] = probabilities[0];
  const isNone = answer === "unknown" || answer === "unsure";
  const words = make("p", { class: isNone ? "try-said none" : "try-said", text: isNone ? t(`try.${answer}`) : answer });
  const note = isNone ? t(`try.${answer}_note`, { label }) : t("try.sure", { share: percent(share) });
  const parts = [words, make("p", { class: "faint small-text", text: note })];
  if (answer === "unknown" && ood) parts.push(make("p", { class: "faint small-text", text: t("try.score", { score: number(Number(ood.score.toPrecision(3))), limit: number(Number(ood.threshold.toPrecision(3))) }) }));
  return parts;
}

/**
 * The card of a photo that was tried.
 * @param {{name: string, blob: Blob, url: string}} photo @param {any} found
 */
export function answerCard(photo, found) {
  return make(
    "article",
    { class: "panel try-card", "aria-label": photo.name },
    heatPhoto(photo.url, found.heat_map, { alt: photo.name, isShown: false }),
    make(
      "div",
      { class: "try-words" },
      ...said(found),
      bars(found.probabilities),
      neighbourRow(found.neighbours),
      teachBack(async () => photo.blob, () => photo.name),
      make("p", { class: "faint small-text", text: t(`try.by.${found.classifier}`, { ms: Math.round(found.ms) }) }),
    ),
  );
}

/**
 * "Wrong? This is a …": puts the photo on that shelf.
 * @param {() => Promise<Blob>} take @param {() => string} nameIt what the photo is called; asked for each
 */
export function teachBack(take, nameIt) {
  const names = state.project?.classes.map((one) => one.name) ?? [];
  const put = async (label) => {
    const blob = await take();
    const done = await attempt(() => send("/api/photos", blob, { name: nameIt(), label }));
    if (done) say(t(done.duplicate ? "try.there_already" : "try.put", { label }), { action: t("try.look"), act: () => (location.href = `/photos?${new URLSearchParams({ shelf: label })}`) });
  };
  const choices = names.length <= 6
    ? make("div", { class: "buttons" }, ...names.map((label) => button(label, () => put(label), { kind: "second small" })))
    : make(
        "select",
        { class: "field small", "aria-label": t("try.wrong"), on: { change: ({ target }) => target.value && put(target.value) } },
        make("option", { value: "", text: t("try.this_is") }),
        ...names.map((label) => make("option", { value: label, text: label })),
      );
  return make("div", { class: "teach-back", role: "group", "aria-label": t("try.wrong") }, make("p", { class: "small-text", text: t("try.wrong") }), choices);
}
