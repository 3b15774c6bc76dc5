// One finding: what is wrong, its photos, and the answers to each.

import { photo as photoAddress, thumb } from "../core/api.js";
import { button, make } from "../core/dom.js";
import { state } from "../core/store.js";
import { t } from "../core/texts.js";
import { showPhoto } from "../parts/photo_sheet.js";

/**
 * @param {any} finding as the server has it
 * @param {(photos: any[], action: string | null, value: string | null) => void} answer
 */
export function findingCard(finding, answer) {
  const { id, title, text, severity, photos, num_photos: count, actions } = finding;
  const left = photos.filter((one) => !one.answer);
  const isDone = photos.length > 0 && !left.length;
  const head = make(
    "header",
    { class: "finding-head" },
    make("div", {}, make("span", { class: severity === "high" ? "badge wrong" : "badge", text: t(`health.severity.${severity}`) }), isDone && make("span", { class: "badge right", text: t("health.done") })),
    make("h2", { text: title }),
    make("p", { class: "faint", text }),
  );
  const card = make(
    "article",
    { class: isDone ? "finding is-done" : "finding", data: { id, severity } },
    head,
    make("ul", { class: "flagged-list" }, ...photos.map((one) => flagged(one, actions, answer))),
  );
  if (count > photos.length) card.append(make("p", { class: "faint small-text", text: t("health.more", { count: count - photos.length }) }));
  if (left.length > 1) card.append(forAll(left, actions, answer));
  return card;
}

function flagged(one, actions, answer) {
  const { id, label, suggested, why, answer: given, with: others = [] } = one;
  const shown = [id, ...others.slice(0, 3)];
  const pictures = shown.map((other) =>
    make(
      "button",
      { type: "button", class: "flagged-photo", tabindex: "-1", "aria-label": t("health.look"), on: { click: () => showPhoto(photoAddress(other), why) } },
      make("img", { src: thumb(other, 320), alt: "", loading: "lazy" }),
    ),
  );
  const controls = actions
    .filter((action) => action !== "relabel" || suggested || state.project?.classes.length > 1)
    .map((action) => {
      if (action === "relabel" && !suggested) return choice(one, answer);
      const words = action === "relabel" ? t("health.actions.relabel", { label: suggested }) : t(`health.actions.${action}`);
      const kind = action === (suggested ? "relabel" : "group") ? "small" : "second small";
      return button(words, () => answer([one], action, action === "relabel" ? suggested : null), { kind, "data-action": action });
    });
  const said = given && make("p", { class: "flagged-answer" }, make("span", { class: "badge right", text: t(`photos.answers.${given}`) }), button(t("health.change"), () => answer([one], null, null), { kind: "quiet small" }));
  return make(
    "li",
    { class: given ? "flagged answered" : "flagged", tabindex: "0", data: { id }, "aria-label": [label ?? t("photos.unlabelled"), why].filter(Boolean).join(", ") },
    make("div", { class: shown.length > 1 ? "flagged-photos several" : "flagged-photos" }, ...pictures),
    make("p", { class: "flagged-label" }, make("strong", { text: label ?? t("photos.unlabelled") })),
    why && make("p", { class: "faint small-text", text: why }),
    said || make("div", { class: "flagged-actions" }, ...controls),
  );
}

/** Where no class is suggested, any may be chosen. */
function choice(one, answer) {
  const names = state.project.classes.map(({ name }) => name).filter((name) => name !== one.label);
  const field = make(
    "select",
    { class: "field small", "aria-label": t("health.it_is"), on: { change: ({ target }) => answer([one], "relabel", target.value) } },
    make("option", { value: "", text: t("health.it_is") }),
    ...names.map((name) => make("option", { value: name, text: name })),
  );
  return field;
}

/** One answer for all photos that have none yet. */
function forAll(left, actions, answer) {
  const suggested = new Set(left.map((one) => one.suggested));
  const controls = actions
    .filter((action) => action !== "relabel" || !suggested.has(null))
    .map((action) => {
      const act = async () => {
        if (action !== "relabel") return answer(left, action, null);
        for (const label of suggested) await answer(left.filter((one) => one.suggested === label), action, label);
        return undefined;
      };
      return button(t(`health.for_all.${action}`), act, { kind: "quiet small" });
    });
  return make("footer", { class: "finding-foot" }, make("span", { class: "faint small-text", text: t("health.all_left", { count: left.length }) }), ...controls);
}
