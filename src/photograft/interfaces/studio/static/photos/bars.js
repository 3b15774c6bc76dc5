// Above the shelf: what it is and how it is shown. Below it, while photos are chosen: what to do with them.

import { button, iconButton, make, setText } from "../core/dom.js";
import { state } from "../core/store.js";
import { number, t } from "../core/texts.js";
import { keyOf } from "./class_keys.js";
import { redo, undo } from "./shelf.js";

const SIZES = [110, 160, 230];
const SIZE_KEY = "photograft-tile";

export const savedSize = () => SIZES.find((size) => String(size) === localStorage.getItem(SIZE_KEY)) ?? SIZES[1];

/**
 * @param {{reorder: (order: string) => void, resize: (size: number) => void, bring: (opener: HTMLElement) => void, save: () => void}} acts
 */
export function topBar({ reorder, resize, bring, save }) {
  const title = make("h1", { class: "shelf-title" });
  const count = make("p", { class: "shelf-sub" });
  const fresh = button(t("photos.sort_again"), () => reorder(""), { kind: "second small", hidden: true });
  const order = make("select", { class: "field small", "aria-label": t("photos.order"), on: { change: ({ target }) => reorder(target.value) } });
  const sizes = make("input", {
    type: "range", class: "size", min: "0", max: String(SIZES.length - 1), step: "1",
    value: String(SIZES.indexOf(savedSize())), "aria-label": t("photos.size"), title: t("photos.size"),
    on: {
      input: ({ target }) => {
        localStorage.setItem(SIZE_KEY, String(SIZES[target.value]));
        resize(SIZES[target.value]);
      },
    },
  });
  const back = iconButton("undo", t("photos.undo"), undo);
  const forth = iconButton("redo", t("photos.redo"), redo);
  const keep = iconButton("save", t("photos.save_folders"), save);
  const add = button(t("bring.title"), () => bring(add), { icon: "plus", "aria-haspopup": "menu", "aria-expanded": "false" });
  const element = make(
    "div",
    { class: "topbar" },
    make("div", { class: "topbar-words" }, title, count),
    make("div", { class: "topbar-tools" }, fresh, order, sizes, make("div", { class: "pair-buttons" }, back, forth, keep), add),
  );

  function show(shelf, project) {
    const { where } = shelf;
    setText(title, where.name ?? t(`photos.kinds.${where.kind}`));
    setText(count, t("photos.count", { count: shelf.selection.ids.length }) + (isFallback(shelf) ? ` · ${t("photos.order_later")}` : ""));
    fresh.hidden = !shelf.hasNewOrder;
    const names = where.kind === "unlabelled" ? ["useful", "name"] : where.name !== undefined ? ["name", "doubtful"] : ["name"];
    if (order.dataset.names !== names.join()) {
      order.dataset.names = names.join();
      order.replaceChildren(...names.map((name) => make("option", { value: name, text: t(`photos.orders.${name}`) })));
    }
    order.hidden = names.length < 2;
    order.value = shelf.order;
    tell(back, project.can_undo, "photos.undo", "photos.undo_what");
    tell(forth, project.can_redo, "photos.redo", "photos.redo_what");
    keep.disabled = !project.classes.length;
    element.hidden = !project.num_photos;
  }
  return { element, show };
}

const isFallback = (shelf) => Boolean(shelf.orderGiven && shelf.orderGiven !== shelf.order);

function tell(control, what, plain, full) {
  const words = what ? t(full, { what }) : t(plain);
  control.disabled = !what;
  control.title = words;
  control.setAttribute("aria-label", words);
}

/**
 * @param {import("./selection.js").Selection} selection
 * @param {{label: (label: string | null) => void, exclude: (excluded: boolean) => void, group: () => void}} acts
 */
export function selectionBar(selection, { label, exclude, group }) {
  const count = make("strong", { class: "chosen-count", role: "status" });
  const classes = make("div", { class: "chosen-classes" });
  const names = make("datalist", { id: "class-names" });
  const field = make("input", { class: "field small", list: "class-names", placeholder: t("photos.other_class"), "aria-label": t("photos.other_class"), maxlength: "120" });
  const byName = (event) => {
    event.preventDefault();
    const name = field.value.trim();
    field.value = "";
    if (name) label(name);
  };
  const unlabel = button(t("photos.unlabel"), () => label(null), { kind: "onbar", key: "u" });
  const out = button(t("photos.exclude"), () => exclude(true), { kind: "onbar", icon: "out", key: "x" });
  const back = button(t("photos.include"), () => exclude(false), { kind: "onbar" });
  const together = button(t("photos.group"), group, { kind: "onbar" });
  const element = make(
    "div",
    { class: "chosen", role: "toolbar", "aria-label": t("photos.chosen_tools"), hidden: true },
    count,
    make("form", { class: "chosen-label", on: { submit: byName } }, classes, field, names),
    make("div", { class: "chosen-more" }, unlabel, together, out, back),
    iconButton("close", t("photos.none"), () => selection.none()),
  );
  let drawn = "";

  function show(shelf) {
    const n = selection.chosen.size;
    element.hidden = !n;
    if (!n) return;
    setText(count, t("photos.chosen", { count: n }));
    const isOut = shelf.where.kind === "excluded";
    unlabel.hidden = isOut || shelf.where.kind === "unlabelled";
    out.hidden = isOut;
    back.hidden = !isOut;
    together.hidden = isOut || n < 2;
    const all = state.project.classes.map(({ name }) => name);
    const facts = JSON.stringify([all, shelf.where.name]);
    if (facts === drawn) return;
    drawn = facts;
    element.classList.toggle("tall", all.length > 4);
    classes.replaceChildren(
      ...all.map((name, place) => [name, place]).filter(([name]) => name !== shelf.where.name).slice(0, 12).map(([name, place]) =>
        button(name, () => label(name), { kind: "onbar class", key: keyOf(place) })),
    );
    names.replaceChildren(...all.map((name) => make("option", { value: name })));
  }
  return { element, show };
}

/** What is under way with the folders: they are read, photos come in. */
export function scanningBar() {
  const words = make("span");
  const bar = make("progress", { "aria-label": t("photos.reading") });
  const element = make("div", { class: "under-way", hidden: true }, bar, words);
  return {
    element,
    show({ scanning, skipped }) {
      element.hidden = !scanning;
      if (!scanning) return;
      if (scanning.found) Object.assign(bar, { max: scanning.found, value: scanning.done });
      setText(words, t("photos.scanning", { done: scanning.done, found: scanning.found, skipped: number(Object.values(skipped ?? {}).reduce((a, b) => a + b, 0)) }));
    },
  };
}

