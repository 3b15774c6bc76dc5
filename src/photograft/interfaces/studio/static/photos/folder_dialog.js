// Choosing a folder of this computer: names of folders only, and how many photos lie in each.

import { get, post } from "../core/api.js";
import { button, icon, make, setText } from "../core/dom.js";
import { attempt, say } from "../core/messages.js";
import { state } from "../core/store.js";
import { t } from "../core/texts.js";
import { sheet } from "../parts/sheet.js";

/**
 * @param {string} title @param {string} use what the button says
 * @param {(path: string) => void} act
 * @param {{hint?: string, newName?: string}} [more] `newName`: a folder of that name is made in the one chosen
 */
export function chooseFolder(title, use, act, { hint = "", newName } = {}) {
  const path = make("input", { class: "field mono", "aria-label": t("bring.path"), spellcheck: "false", autocomplete: "off" });
  const list = make("ul", { class: "folder-list" });
  const count = make("p", { class: "faint", role: "status" });
  const name = make("input", { class: "field", value: newName ?? "", maxlength: "120", autocomplete: "off" });
  let here = "";
  const take = button(use, () => {
    const own = name.value.trim();
    if (newName !== undefined && !own) return name.focus();
    dialog.close();
    return act(newName === undefined ? here : `${here.replace(/[\\/]$/, "")}/${own}`);
  });
  let turn = 0;
  const show = async (to) => {
    const own = ++turn;
    const found = await attempt(() => get("/api/browse", { path: to }));
    if (!found || own !== turn) return;
    here = list.dataset.path = found.path;
    path.value = here;
    setText(count, t("bring.here", { count: found.num_photos }));
    const rows = found.folders.map(({ name, path: child }) => row(name, "folder", () => show(child)));
    if (found.parent && found.parent !== found.path) rows.unshift(row(t("bring.parent"), "up", () => show(found.parent)));
    list.replaceChildren(...rows);
    list.querySelector("button")?.focus({ preventScroll: true });
  };
  const byHand = (event) => {
    event.preventDefault();
    show(path.value.trim());
  };
  const body = make(
    "div",
    { class: "folder-body" },
    hint && make("p", { class: "faint", text: hint }),
    make("form", { class: "folder-path", on: { submit: byHand } }, path, button(t("bring.open"), () => {}, { kind: "second", type: "submit" })),
    list,
    newName !== undefined && make("label", { class: "sure-label" }, make("span", { text: t("bring.new_folder") }), name),
    make("div", { class: "sheet-foot" }, count, take),
  );
  const dialog = sheet(title, body, { class: "folders" });
  show(undefined);
}

function row(name, picture, act) {
  return make("li", {}, make("button", { type: "button", class: "folder-row", on: { click: act } }, icon(picture), make("span", { text: name })));
}

/** Read the photos of a folder where they are. */
export function readFolder() {
  chooseFolder(t("bring.folder"), t("bring.use"), async (path) => {
    const done = await attempt(() => post("/api/folders", { path }));
    if (done) say(t("bring.reading"));
  }, { hint: t("bring.folder_hint") });
}

/** Copy all photos into a folder for each class. */
export function saveFolders() {
  chooseFolder(t("photos.save_folders"), t("photos.save_here"), async (path) => {
    const done = await attempt(() => post("/api/save-folders", { path }));
    if (done) say(t("photos.saved", { count: done.num_photos, path: done.path }));
  }, { hint: t("photos.save_hint"), newName: t("photos.save_name", { name: state.project.name }) });
}
