// The folders whose photos are here, and every file in them accounted for.

import { post } from "../core/api.js";
import { button, make } from "../core/dom.js";
import { attempt, say } from "../core/messages.js";
import { state } from "../core/store.js";
import { number, t } from "../core/texts.js";
import { sheet } from "../parts/sheet.js";

export function showFolders() {
  const { folders, skipped = {}, notes = [], project_folder: own } = state.project;
  const change = async (path, remove) => {
    dialog.close();
    const done = await attempt(() => post("/api/folders", { path, ...(remove && { remove }) }));
    if (done) say(done.what);
  };
  const rows = folders.map(({ path, num_photos: count, problem }) =>
    make(
      "li",
      { class: "folder-entry" },
      make("div", {}, make("code", { text: path }), make("p", { class: problem ? "said-wrong small-text" : "faint small-text", text: problem || t("photos.count", { count }) })),
      !path.startsWith(own) && make("div", { class: "buttons" }, button(t("folders.again"), () => change(path, false), { kind: "second small" }), button(t("folders.remove"), () => change(path, true), { kind: "quiet small" })),
    ),
  );
  const reasons = Object.entries(skipped).map(([reason, count]) => make("li", {}, make("span", { text: reason }), make("span", { class: "figure", text: number(count) })));
  const body = make(
    "div",
    { class: "folder-body" },
    rows.length ? make("ul", {}, ...rows) : make("p", { class: "faint", text: t("folders.none") }),
    ...notes.map((text) => make("p", { class: "notice", text })),
    reasons.length > 0 && make("div", {}, make("h3", { text: t("folders.skipped") }), make("ul", { class: "tried-list" }, ...reasons)),
  );
  const dialog = sheet(t("folders.title"), body);
}
