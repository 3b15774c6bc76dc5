// The column of shelves: classes with their keys, what has no label, what is left out.

import { post, thumb } from "../core/api.js";
import { button, icon, iconButton, make } from "../core/dom.js";
import { attempt, say } from "../core/messages.js";
import { setQuery } from "../core/router.js";
import { number, t } from "../core/texts.js";
import { openMenu } from "../parts/menu.js";
import { keyOf } from "./class_keys.js";
import { undo } from "./shelf.js";

/** Do something with a class, and say what was done. */
async function change(action, name, to) {
  const done = await attempt(() => post("/api/classes", { action, name, to }));
  if (done) say(done.what, { action: t("photos.undo"), act: undo });
  return done;
}

const countOf = (count) => [
  make("span", { class: "shelf-count", text: number(count), "aria-hidden": "true" }),
  make("span", { class: "hidden", text: t("photos.count", { count }) }),
];

export class Shelves {
  /** @param {(where: import("./shelf.js").Where) => void} open */
  constructor(open) {
    this.open = open;
    this.list = make("ul", { class: "shelves-list" });
    this.rest = make("ul", { class: "shelves-list rest" });
    this.adding = this.form();
    this.element = make(
      "nav",
      { class: "shelves", "aria-label": t("photos.shelves") },
      make("h2", { class: "side-title", text: t("photos.classes") }),
      this.list,
      this.adding,
      this.rest,
    );
  }

  /** @param {any} project @param {import("./shelf.js").Where} where the shelf that is open */
  show(project, where) {
    const facts = JSON.stringify([project.classes, project.num_unlabelled, project.num_excluded, project.num_photos, where]);
    if (facts === this.drawn || this.element.querySelector(".rename")) return;
    this.drawn = facts;
    this.project = project;
    const had = this.element.contains(document.activeElement) && document.activeElement?.getAttribute("href");
    this.list.replaceChildren(...project.classes.map((one, place) => this.classRow(one, place, where)));
    const others = [
      ["unlabelled", "tag", project.num_unlabelled, ""],
      ["all", "all", project.num_photos, null],
      ["excluded", "out", project.num_excluded, "excluded"],
    ];
    this.rest.replaceChildren(
      ...others
        .filter(([kind, , count]) => kind !== "excluded" || count || where.kind === kind)
        .map(([kind, picture, count, drop]) => this.otherRow({ kind, picture, count, drop, where })),
    );
    if (had) this.element.querySelector(`a[href="${CSS.escape(had)}"]`)?.focus();
  }

  classRow({ name, num_photos: count, covers = [] }, place, where) {
    const key = keyOf(place);
    const pictures = covers.slice(0, 3).map((id) => make("img", { src: thumb(id), alt: "", loading: "lazy" }));
    const more = iconButton("more", t("photos.class_menu", { name }), () => this.menu(more, name), {
      class: "round small",
      "aria-haspopup": "menu",
      "aria-expanded": "false",
    });
    const row = make(
      "li",
      { class: "shelf", data: { drop: "label", label: name } },
      this.link(
        { name },
        where.name === name,
        make("span", { class: "covers" }, ...pictures),
        make("span", { class: "shelf-name", text: name }),
        ...countOf(count),
        key && make("kbd", { text: key }),
      ),
      more,
    );
    return row;
  }

  otherRow({ kind, picture, count, drop, where }) {
    const label = t(`photos.kinds.${kind}`);
    const data = drop === null ? {} : { drop: drop || "unlabel" };
    return make(
      "li",
      { class: "shelf other", data },
      this.link(
        { kind },
        where.kind === kind,
        icon(picture),
        make("span", { class: "shelf-name", text: label }),
        ...countOf(count),
      ),
    );
  }

  link(where, isOpen, ...children) {
    const href = `/photos?${new URLSearchParams(where.name === undefined ? { kind: where.kind } : { shelf: where.name })}`;
    const open = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
      event.preventDefault();
      this.open(where);
    };
    return make("a", { href, class: "shelf-link", "aria-current": isOpen ? "true" : null, on: { click: open } }, ...children);
  }

  menu(opener, name) {
    const others = this.project.classes.filter((one) => one.name !== name);
    const choices = [{ text: t("photos.rename"), act: () => this.rename(opener, name) }];
    if (others.length) choices.push({ text: t("photos.merge"), act: () => this.merge(opener, name, others) });
    choices.push({ text: t("photos.remove"), danger: true, act: () => change("remove", name) });
    openMenu(opener, choices);
  }

  merge(opener, name, others) {
    openMenu(opener, others.map(({ name: to }) => ({ text: t("photos.merge_into", { to }), act: () => change("merge", name, to) })));
  }

  rename(opener, name) {
    const row = opener.closest("li");
    const field = make("input", { class: "field rename", value: name, "aria-label": t("photos.new_name", { name }) });
    let isOver = false;
    const end = async (isKept) => {
      if (isOver) return; // taking the field away takes the focus from it
      isOver = true;
      const to = field.value.trim();
      field.remove();
      this.drawn = "";
      if (isKept && to && to !== name && (await change("rename", name, to))) setQuery({ shelf: to });
      this.show(this.project, { name });
      if (isKept && to) this.open({ name: to });
    };
    field.addEventListener("keydown", ({ key }) => (key === "Enter" || key === "Escape") && end(key === "Enter"));
    field.addEventListener("blur", () => end(true));
    row.append(field);
    field.focus();
    field.select();
  }

  /** A line to name a new class in: always there, never in the way. */
  form() {
    const field = make("input", { class: "field", placeholder: t("photos.new_class"), "aria-label": t("photos.new_class"), autocomplete: "off", maxlength: "120" });
    const add = async (event) => {
      event.preventDefault();
      const name = field.value.trim();
      if (name && (await change("create", name))) field.value = "";
      field.focus();
    };
    return make("form", { class: "new-class", on: { submit: add } }, field, button(t("photos.add"), () => {}, { kind: "second small", type: "submit" }));
  }
}
