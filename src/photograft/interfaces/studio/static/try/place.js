// Trying the classifier on photos that it has not seen.

import { send } from "../core/api.js";
import { button, make } from "../core/dom.js";
import { isWriting } from "../core/keys.js";
import { announce, attempt, say } from "../core/messages.js";
import { state, watch } from "../core/store.js";
import { t } from "../core/texts.js";
import { linkTo, teach } from "../parts/job.js";
import { chosen, dropped } from "../photos/intake.js";
import { answerCard } from "./answer.js";
import { livePanel } from "./live.js";

/** So many answers stay on the page. */
const CARDS = 60;

/** @param {HTMLElement} root @param {AbortSignal} signal */
export function open(root, signal) {
  const files = make("input", { type: "file", multiple: true, hidden: true, accept: "image/*,.heic,.heif", tabindex: "-1", "aria-hidden": "true" });
  files.addEventListener("change", () => {
    ask(chosen(files.files, null, false));
    files.value = "";
  });
  const dock = make("div", { class: "live-dock" });
  const camera = button(t("try.webcam"), openCamera, { kind: "second", icon: "camera" });
  const zone = make(
    "section",
    { class: "try-zone", "aria-label": t("try.bring") },
    make("p", { class: "try-hint", text: t("try.hint") }),
    make("div", { class: "buttons" }, button(t("try.files"), () => files.click(), { icon: "upload" }), camera),
    files,
  );
  const progress = make("p", { class: "faint", role: "status" });
  const cards = make("div", { class: "try-cards" });
  const head = make("div", { class: "page-head" }, make("div", {}, make("h1", { text: t("try.title") }), make("p", { class: "lead", text: t("try.lead") })));
  const body = make("div", { class: "try-body" }, head, dock, zone, progress, cards);
  const lacking = make("div", {}, teach("try", "try.none", linkTo("/photos", t("go.photos"), "large")));
  root.append(make("div", { class: "page" }, lacking, body));

  const show = () => {
    const canTry = Boolean(state.project?.run) || state.live?.state === "ready" || state.live?.accuracy > 0;
    body.hidden = !canTry;
    lacking.hidden = canTry || !state.project;
  };
  watch("project", show, signal);
  watch("live", show, signal);
  show();

  /** @type {any[]} */
  const waiting = [];
  let isBusy = false;

  async function ask(photos) {
    if (!photos.length) return say(t("bring.nothing"), { wrong: true });
    waiting.push(...photos);
    if (isBusy) return undefined;
    isBusy = true;
    let count = 0;
    while (waiting.length && !signal.aborted) {
      progress.textContent = t("try.asking", { count: waiting.length });
      const { name, blob } = waiting.shift();
      const found = await attempt(() => send("/api/try", blob, { heat: 1, neighbours: 1 }, signal));
      if (!found) continue;
      const url = URL.createObjectURL(blob);
      signal.addEventListener("abort", () => URL.revokeObjectURL(url));
      cards.prepend(answerCard({ name, blob, url }, found));
      announce(`${name}: ${found.answer}`);
      for (const old of [...cards.children].slice(CARDS)) old.remove();
      count++;
    }
    progress.textContent = count ? t("try.done", { count }) : "";
    isBusy = false;
    return undefined;
  }

  function openCamera() {
    if (dock.childElementCount) return;
    camera.hidden = true;
    dock.append(livePanel(signal, () => {
      camera.hidden = false;
      camera.focus();
    }));
  }

  const light = (isOver) => zone.classList.toggle("over", isOver);
  addEventListener("dragover", (event) => {
    event.preventDefault();
    light(event.dataTransfer.types.includes("Files"));
  }, { signal });
  addEventListener("dragleave", ({ relatedTarget }) => relatedTarget ?? light(false), { signal });
  addEventListener("drop", async (event) => {
    event.preventDefault();
    light(false);
    if (event.dataTransfer.types.includes("Files")) ask(await dropped(event.dataTransfer, null, false));
  }, { signal });
  addEventListener("paste", (event) => {
    if (isWriting(event)) return;
    const pasted = [...event.clipboardData.files].map((blob) => ({ name: t("try.pasted"), blob, label: null }));
    if (pasted.length) ask(pasted);
  }, { signal });
}
