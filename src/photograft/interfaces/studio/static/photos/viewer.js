// One photo, large: what is known of it, the next one by an arrow, its class by a key.

import { get, photo } from "../core/api.js";
import { button, iconButton, make, setText } from "../core/dom.js";
import { attempt } from "../core/messages.js";
import { state } from "../core/store.js";
import { bytes, number, percent, t } from "../core/texts.js";
import { classOf, keyOf } from "./class_keys.js";

/**
 * @param {import("./selection.js").Selection} selection
 * @param {{label: (label: string | null) => void, exclude: () => void, closed: () => void}} acts
 */
export function openViewer(selection, { label, exclude, closed }) {
  const picture = make("img", { class: "viewer-photo", alt: "" });
  const name = make("h2", { id: "viewer-name", class: "viewer-name" });
  const where = make("p", { class: "faint" });
  const facts = make("dl", { class: "viewer-facts" });
  const classes = make("div", { class: "viewer-classes", role: "group", "aria-label": t("viewer.label_as") });
  const step = (by) => {
    const to = selection.cursor + by;
    if (to >= 0 && to < selection.ids.length) selection.only(to);
  };
  const dialog = make(
    "dialog",
    { class: "viewer", "aria-labelledby": "viewer-name" },
    make("div", { class: "viewer-stage" }, iconButton("left", t("viewer.before"), () => step(-1)), picture, iconButton("right", t("viewer.next"), () => step(1))),
    make(
      "div",
      { class: "viewer-side" },
      make("div", { class: "sheet-head" }, name, iconButton("close", t("shell.close"), () => dialog.close())),
      where,
      classes,
      facts,
    ),
  );
  let shown = "";

  async function show(isAgain = false) {
    const id = selection.ids[selection.cursor];
    if (!id) return dialog.close();
    setText(where, t("viewer.where", { place: selection.cursor + 1, count: selection.ids.length }));
    if (id === shown && !isAgain) return;
    if (id !== shown) picture.src = photo(id);
    shown = id;
    const found = await attempt(() => get(`/api/photo/${id}`));
    if (!found || id !== shown || !dialog.open) return;
    setText(name, found.name);
    picture.alt = found.name;
    facts.replaceChildren(...factsOf(found));
    showClasses(found.label);
  }

  function showClasses(current) {
    classes.replaceChildren(
      ...state.project.classes.slice(0, 40).map(({ name: one }, place) =>
        button(one, () => put(one), { kind: one === current ? "class now" : "class second", key: keyOf(place), "aria-pressed": String(one === current) })),
      button(t("photos.unlabel"), () => put(null), { kind: "quiet small", key: "u" }),
      button(t("photos.exclude"), () => leave(), { kind: "quiet small", key: "x" }),
    );
  }

  /** Label it; where it stays on this shelf, show the next one, as if it had gone. */
  function put(to) {
    const id = selection.ids[selection.cursor];
    label(to);
    if (selection.ids[selection.cursor] !== id) return;
    if (selection.cursor + 1 < selection.ids.length) step(1);
    else setTimeout(() => show(true), 300);
  }

  const leave = () => exclude();

  dialog.addEventListener("keydown", (event) => {
    const keys = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -1, ArrowDown: 1 };
    if (event.key in keys) step(keys[event.key]);
    else if (event.key === " " && !(event.target instanceof HTMLButtonElement)) dialog.close();
    else if (event.ctrlKey || event.metaKey || event.altKey) return;
    else if (event.key === "u") put(null);
    else if (event.key === "x") leave();
    else {
      const to = classOf(event, state.project.classes);
      if (!to) return;
      put(to);
    }
    event.preventDefault();
  });
  let isOpen = true;
  selection.onChange(() => isOpen && show());
  dialog.addEventListener("close", () => {
    isOpen = false;
    dialog.remove();
    closed();
  });
  document.body.append(dialog);
  dialog.showModal();
  picture.tabIndex = -1;
  picture.focus();
  show();
  return dialog;
}

function factsOf(found) {
  const rows = [
    ["label", found.label ?? t("photos.unlabelled")],
    ["guess", found.guess && t("photos.guess_words", { label: found.guess[0], share: percent(found.guess[1]) })],
    ["unreadable", found.unreadable],
    ["answer", found.answer && t(`photos.answers.${found.answer}`)],
    ["group", found.group],
    ["split", found.split],
    ["size", found.width && `${number(found.width)} × ${number(found.height)}`],
    ["bytes", found.num_bytes && bytes(found.num_bytes)],
    ["taken", found.taken],
    ["path", found.path],
  ];
  return rows
    .filter(([, value]) => value)
    .map(([key, value]) => make("div", {}, make("dt", { text: t(`viewer.${key}`) }), make("dd", { text: value })));
}
