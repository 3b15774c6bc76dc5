// Photos by webcam: hold a class's button and a burst goes on its shelf, as one group.

import { iconButton, make, setText } from "../core/dom.js";
import { attempt } from "../core/messages.js";
import { watch } from "../core/store.js";
import { t } from "../core/texts.js";
import { startCamera, takePicture } from "../parts/camera.js";
import { bring } from "./intake.js";

/** Pictures a second: near ones are much alike. */
const RATE = 6;
const SIDE = 960;

/** @param {AbortSignal} placeSignal @param {() => void} closed @returns {HTMLElement} */
export function recorder(placeSignal, closed) {
  const own = new AbortController();
  const signal = AbortSignal.any([placeSignal, own.signal]);
  const video = make("video", { playsinline: true, muted: true, "aria-label": t("camera.video") });
  const count = make("p", { class: "burst", role: "status" });
  const classes = make("div", { class: "record-classes" });
  const close = () => {
    own.abort();
    element.remove();
    closed();
  };
  const element = make(
    "section",
    { class: "recorder", "aria-label": t("camera.title") },
    make("div", { class: "recorder-view" }, video, count),
    make(
      "div",
      { class: "recorder-words" },
      make("div", { class: "recorder-head" }, make("h2", { text: t("camera.title") }), iconButton("close", t("camera.close"), close)),
      make("p", { class: "faint", text: t("camera.hint") }),
      classes,
    ),
  );
  watch("project", (project) => {
    const names = [...project.classes.map(({ name }) => name), null];
    if (classes.dataset.names === names.join("\n")) return;
    classes.dataset.names = names.join("\n");
    classes.replaceChildren(...names.map((name) => holdButton(name, video, count, signal)));
  }, signal);
  attempt(async () => {
    try {
      await startCamera(video, signal);
    } catch (error) {
      close();
      throw error;
    }
  });
  return element;
}

/** A button that takes pictures for as long as it is held, by pointer or key. */
function holdButton(label, video, count, signal) {
  const words = label === null ? t("camera.hold_unlabelled") : t("camera.hold", { label });
  const control = make("button", { type: "button", class: label === null ? "button second hold" : "button hold", text: words });
  let isHeld = false;
  const start = async () => {
    if (isHeld || !video.videoWidth) return;
    isHeld = true;
    control.classList.add("held");
    const group = `burst-${new Date().toISOString().replace(/[-:]/g, "").slice(0, 15)}-${Math.random().toString(36).slice(2, 6)}`;
    const burst = [];
    while (isHeld && !signal.aborted) {
      const began = performance.now();
      const blob = await takePicture(video, SIDE);
      burst.push({ name: `${group}-${String(burst.length + 1).padStart(3, "0")}.jpg`, blob, label, group });
      setText(count, t("camera.taken", { count: burst.length }));
      await new Promise((done) => setTimeout(done, Math.max(0, 1000 / RATE - (performance.now() - began))));
    }
    control.classList.remove("held");
    bring(burst);
  };
  const stop = () => (isHeld = false);
  control.addEventListener("pointerdown", (event) => {
    control.setPointerCapture(event.pointerId);
    start();
  });
  control.addEventListener("pointerup", stop);
  control.addEventListener("pointercancel", stop);
  control.addEventListener("blur", stop);
  control.addEventListener("contextmenu", (event) => event.preventDefault());
  control.addEventListener("keydown", (event) => {
    if (event.key !== " " && event.key !== "Enter") return;
    event.preventDefault();
    start();
  });
  control.addEventListener("keyup", stop);
  return control;
}
