// All ways to bring photos: a folder read where it is, files, the clipboard, the webcam.

import { button, icon, make, setText } from "../core/dom.js";
import { isWriting } from "../core/keys.js";
import { t } from "../core/texts.js";
import { openMenu } from "../parts/menu.js";
import { readFolder } from "./folder_dialog.js";
import { showFolders } from "./folders_sheet.js";
import { bring, chosen, dropped, intake, stopBringing } from "./intake.js";

/**
 * @param {() => string | null} shelfLabel the class that loose photos are put in
 * @param {() => void} openCamera @param {AbortSignal} signal
 */
export function ways(shelfLabel, openCamera, signal) {
  const files = picker(false);
  const folder = picker(true);
  function picker(isFolder) {
    const field = make("input", { type: "file", multiple: true, hidden: true, accept: "image/*,.heic,.heif", webkitdirectory: isFolder, tabindex: "-1", "aria-hidden": "true" });
    field.addEventListener("change", () => {
      bring(chosen(field.files, shelfLabel(), true));
      field.value = ""; // so that the same can be chosen again
    });
    return field;
  }
  const all = [
    { text: t("bring.folder"), icon: "folder", act: readFolder },
    { text: t("bring.files"), icon: "upload", act: () => files.click() },
    { text: t("bring.copy_folder"), icon: "upload", act: () => folder.click() },
    { text: t("bring.camera"), icon: "camera", act: openCamera },
  ];
  listenToDrops(shelfLabel, signal);
  return {
    fields: [files, folder],
    menu: (opener) => openMenu(opener, [...all, { text: t("folders.title"), icon: "all", act: showFolders }]),
    empty: () => emptyPage(all, signal),
  };
}

/** Where nothing is yet: what this is, and three ways to begin. */
function emptyPage([folder, files, , camera]) {
  const card = ({ icon: picture, act }, name) =>
    make(
      "button",
      { type: "button", class: "way", on: { click: act } },
      make("span", { class: "way-icon" }, icon(picture)),
      make("strong", { text: t(`empty.${name}.title`) }),
      make("span", { class: "faint", text: t(`empty.${name}.text`) }),
    );
  return make(
    "div",
    { class: "empty" },
    make("h1", { text: t("empty.title") }),
    make("p", { class: "empty-lead", text: t("empty.lead") }),
    make("div", { class: "ways" }, card(folder, "folder"), card(files, "files"), card(camera, "camera")),
    make("p", { class: "faint", text: t("empty.hint") }),
    make("p", { class: "faint", text: t("empty.local") }),
  );
}

function listenToDrops(shelfLabel, signal) {
  const veil = make("div", { class: "veil", hidden: true }, make("p"));
  document.body.append(veil);
  signal.addEventListener("abort", () => veil.remove());
  let aimed = null;
  const aim = (to) => {
    aimed?.classList.remove("aimed");
    aimed = to;
    aimed?.classList.add("aimed");
  };
  const labelOf = () => (aimed?.dataset.drop === "label" ? aimed.dataset.label : shelfLabel());
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    veil.hidden = false;
    aim(event.target.closest?.("[data-drop=label]") ?? null);
    const label = labelOf();
    setText(veil.firstChild, label === null ? t("bring.drop") : t("bring.drop_on", { label }));
  }, { signal });
  addEventListener("dragleave", ({ relatedTarget }) => {
    if (relatedTarget) return;
    veil.hidden = true;
    aim(null);
  }, { signal });
  addEventListener("drop", async (event) => {
    veil.hidden = true;
    const isOnShelf = aimed !== null;
    const label = labelOf();
    aim(null);
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    bring(await dropped(event.dataTransfer, label, !isOnShelf));
  }, { signal });
  addEventListener("paste", (event) => {
    if (isWriting(event)) return;
    const photos = [...event.clipboardData.files].map((blob, i) => ({ name: `pasted-${Date.now()}-${i + 1}.png`, blob, label: shelfLabel() }));
    if (photos.length) bring(photos);
  }, { signal });
}

/** How far the bringing is. @param {AbortSignal} signal */
export function bringingBar(signal) {
  const words = make("span");
  const bar = make("progress", { "aria-label": t("bring.progress") });
  const element = make("div", { class: "under-way", hidden: true }, bar, words, button(t("bring.stop"), stopBringing, { kind: "second small" }));
  const show = () => {
    element.hidden = !intake.total;
    Object.assign(bar, { max: Math.max(intake.total, 1), value: intake.done });
    setText(words, t("bring.under_way", { done: intake.done, total: intake.total }));
  };
  intake.watchers.add(show);
  signal.addEventListener("abort", () => intake.watchers.delete(show));
  show();
  return element;
}
