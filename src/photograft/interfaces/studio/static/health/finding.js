// One finding: what is wrong, its photos, and the answers to each.

import { photo as photoAddress, thumb } from "../core/api.js";
import { button, make } from "../core/dom.js";
import { state } from "../core/store.js";
import { t } from "../core/texts.js";
import { showPhoto } from "../parts/photo_sheet.js";

/**
 * @param {any} finding as the server has it
 * @param {(photos: any[], action: string | null, value: string | null, finding?: string) => any} give
 */
export function findingCard(finding, give) {
  const { id, title, text, severity, photos, num_photos: count, actions } = finding;
  const isOfGroups = actions.includes("group");
  const items = isOfGroups ? clusters(photos) : photos.map((one) => [one]);
  // A group may have more photos than are shown: the server knows them all.
  const answer = isOfGroups ? (some, action, value) => give(some, action, value, id) : give;
  const left = items.filter((item) => !isAnswered(item));
  const isDone = items.length > 0 && !left.length;
  const head = make(
    "header",
    { class: "finding-head" },
    make("div", {}, make("span", { class: severity === "high" ? "badge wrong" : "badge", text: t(`health.severity.${severity}`) }), isDone && make("span", { class: "badge right", text: t("health.done") })),
    make("h2", { text: title }),
    text && make("p", { class: "faint", text }),
  );
  const card = make(
    "article",
    { class: isDone ? "finding is-done" : "finding", data: { id, severity } },
    head,
    items.length > 0 && make("ul", { class: "flagged-list" }, ...items.map((item) => flagged(item, actions, answer))),
  );
  if (count > photos.length && photos.length) card.append(make("p", { class: "faint small-text", text: t("health.more", { count: count - photos.length }) }));
  if (left.length > 1) card.append(forAll(left.flat(), actions, answer));
  return card;
}

/** Photos that lie together become one item, the first of them in front; it may lie alone there. */
export function clusters(photos) {
  const found = new Map();
  for (const photo of photos) found.set(photo.group, [...(found.get(photo.group) ?? []), photo]);
  return [...found.values()].map((item) => Object.assign(item, { isCluster: item[0].num_together > 1 }));
}

/** One photo may stay where the others are left out. */
export function isAnswered(item) {
  const [{ answer, num_open: open }] = item;
  return item.isCluster ? open <= 1 : Boolean(answer);
}

function flagged(item, actions, answer) {
  const [{ id, label, suggested, why, with: others, num_together: count }] = item;
  const { isCluster = false } = item;
  const shown = [id, ...others].slice(0, 4);
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
      if (action === "relabel" && !suggested) return choice(item[0], answer);
      const words = action === "relabel" ? t("health.actions.relabel", { label: suggested }) : t(isCluster && action === "exclude" ? "health.actions.keep_first" : `health.actions.${action}`);
      const kind = action === (suggested ? "relabel" : "group") ? "small" : "second small";
      const act = () => answer(item, action, action === "relabel" ? suggested : null);
      return button(words, act, { kind, "data-action": action });
    });
  const isDone = isAnswered(item);
  const given = item.find((photo) => photo.answer)?.answer;
  const said = isDone && make("p", { class: "flagged-answer" }, make("span", { class: "badge right", text: t(`photos.answers.${given}`) }), button(t("health.change"), () => answer(item, null, null), { kind: "quiet small" }));
  const name = label ?? t("photos.unlabelled");
  const words = isCluster ? t("health.together", { count, label: name }) : name;
  return make(
    "li",
    { class: isDone ? "flagged answered" : "flagged", tabindex: "0", data: { id }, "aria-label": [words, why].filter(Boolean).join(", ") },
    make("div", { class: shown.length > 1 ? "flagged-photos several" : "flagged-photos" }, ...pictures),
    make("p", { class: "flagged-label" }, make("strong", { text: words })),
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
        if (action === "group") {
          for (const item of clusters(left)) await answer(item, action, null);
          return undefined;
        }
        if (action !== "relabel") return answer(left, action, null);
        for (const label of suggested) await answer(left.filter((one) => one.suggested === label), action, label);
        return undefined;
      };
      return button(t(action === "exclude" && actions.includes("group") ? "health.for_all.keep_first" : `health.for_all.${action}`), act, { kind: "quiet small" });
    });
  return make("footer", { class: "finding-foot" }, make("span", { class: "faint small-text", text: t("health.all_left", { count: left.length }) }), ...controls);
}
