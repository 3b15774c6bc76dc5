// Why an answer: where in the photo the evidence is, and which training photos it is like.

import { get, photo, thumb } from "../core/api.js";
import { make, styled } from "../core/dom.js";
import { attempt } from "../core/messages.js";
import { number, percent, t } from "../core/texts.js";
import { showPhoto } from "./photo_sheet.js";

/**
 * A photo over which the evidence can be laid.
 * @param {string} source the photo's address @param {string | null} heat the heat map's
 * @param {{alt: string, isShown?: boolean}} how
 */
export function heatPhoto(source, heat, { alt, isShown = true }) {
  const overlay = heat && make("img", { class: "heat", src: heat, alt: "", hidden: !isShown });
  const frame = make("div", { class: "heat-photo" }, make("img", { src: source, alt }), overlay);
  if (!overlay) return frame;
  const control = make("input", { type: "checkbox", checked: isShown, on: { change: ({ target }) => (overlay.hidden = !target.checked) } });
  return make("div", { class: "heat-figure" }, frame, make("label", { class: "check" }, control, make("span", { text: t("why.evidence") })));
}

/** The nearest training photos. @param {any[] | null} neighbours */
export function neighbourRow(neighbours) {
  if (!neighbours?.length) return null;
  const items = neighbours.slice(0, 5).map(({ id, thumb: given, label, similarity }) =>
    make(
      "li",
      {},
      make(
        "button",
        { type: "button", class: "near-photo", "aria-label": t("why.near_words", { label, similarity: percent(similarity) }), on: { click: () => showPhoto(id ? photo(id) : given, label) } },
        make("img", { src: given ?? thumb(id), alt: "", loading: "lazy" }),
      ),
      make("span", { class: "cut", text: label }),
    ),
  );
  return make("div", { class: "near" }, make("h4", { class: "near-title", text: t("why.near") }), make("ul", {}, ...items));
}

/** The most probable classes as bars. @param {[string, number][]} probabilities the highest first */
export function bars(probabilities, limit = 5) {
  const shown = probabilities.length <= limit + 1 ? probabilities : probabilities.slice(0, limit);
  const list = make("ul", { class: "bars", "aria-label": t("why.bars") });
  for (const [label, p] of shown) list.append(barRow(label, p));
  const rest = probabilities.length - shown.length;
  if (rest) list.append(make("li", { class: "faint small-text", text: t("why.others", { count: rest }) }));
  return list;
}

function barRow(label, p) {
  const filling = styled(make("span"), { width: `${100 * p}%` });
  return make(
    "li",
    {},
    make("span", { class: "cut", text: label }),
    make("span", { class: "figure", text: bounded(p) }),
    make("span", { class: "meter", "aria-hidden": "true" }, filling),
  );
}

/** A probability for people: nothing is ever certain. */
const bounded = (p) => (p > 0.999 ? t("why.nearly_one") : p < 0.001 ? t("why.nearly_none") : `${number(Number((100 * p).toFixed(1)))}%`);

/**
 * Explain a photo of the project, here.
 * @param {string} id @param {AbortSignal} signal @returns {HTMLElement}
 */
export function explanation(id, signal) {
  const element = make("div", { class: "explanation", "aria-busy": "true" }, make("img", { class: "heat-photo plain", src: photo(id), alt: t("viewer.photo") }), make("p", { class: "faint", text: t("why.asking") }));
  attempt(async () => {
    const found = await get(`/api/explain/${id}`, {}, signal);
    if (signal.aborted) return;
    const { predicted, probability, label, heat_map: heat, neighbours, why } = found;
    const isWrong = label && label !== predicted;
    element.removeAttribute("aria-busy");
    element.replaceChildren(
      heatPhoto(photo(id), heat, { alt: t("why.photo_of", { label: label ?? t("photos.unlabelled") }) }),
      make(
        "div",
        { class: "explanation-words" },
        make("p", { class: isWrong ? "said wrong" : "said", text: t("why.says", { label: predicted, share: bounded(probability) }) }),
        label && make("p", { class: "faint", text: t("why.labelled", { label }) }),
        why && make("p", { text: why }),
        neighbourRow(neighbours),
      ),
    );
  });
  return element;
}
