// The webcam, answered live: the picture runs at its own rate, one frame at a time is asked about.

import { send } from "../core/api.js";
import { iconButton, make, setText } from "../core/dom.js";
import { attempt, say } from "../core/messages.js";
import { t } from "../core/texts.js";
import { startCamera, takePicture } from "../parts/camera.js";
import { bars, neighbourRow } from "../parts/explanation.js";
import { said, teachBack } from "./answer.js";

/** The network looks at less; smaller pictures travel faster. */
const SIDE = 480;
const PAUSE = 400;

/** @param {AbortSignal} placeSignal @param {() => void} closed @returns {HTMLElement} */
export function livePanel(placeSignal, closed) {
  const own = new AbortController();
  const signal = AbortSignal.any([placeSignal, own.signal]);
  const video = make("video", { playsinline: true, muted: true, "aria-label": t("camera.video") });
  const overlay = make("img", { class: "heat", alt: "", hidden: true });
  const answer = make("div", { class: "live-answer" });
  const rate = make("p", { class: "faint small-text figure live-rate" });
  const heat = make("input", { type: "checkbox" });
  const near = make("input", { type: "checkbox" });
  const close = () => {
    own.abort();
    element.remove();
    closed();
  };
  const wrong = teachBack(() => takePicture(video), () => `webcam-${Date.now()}.jpg`);
  const element = make(
    "section",
    { class: "panel live-panel", "aria-label": t("try.webcam") },
    make("div", { class: "live-view" }, video, overlay),
    make(
      "div",
      { class: "live-side" },
      make("div", { class: "panel-head" }, make("h2", { text: t("try.webcam") }), iconButton("close", t("camera.close"), close)),
      answer,
      wrong,
      make("div", { class: "live-options" }, make("label", { class: "check" }, heat, make("span", { text: t("why.evidence") })), make("label", { class: "check" }, near, make("span", { text: t("why.near") }))),
      rate,
    ),
  );

  async function run() {
    try {
      await startCamera(video, signal);
    } catch (error) {
      close();
      throw error;
    }
    let smooth = 0;
    let problem = "";
    while (!signal.aborted) {
      const began = performance.now();
      try {
        const frame = await takePicture(video, SIDE);
        const found = await send("/api/try", frame, { heat: Number(heat.checked), neighbours: Number(near.checked) }, signal);
        show(found);
        const took = performance.now() - began;
        smooth = smooth ? 0.8 * smooth + 0.2 * took : took;
        setText(rate, t("try.rate", { rate: Number((1000 / smooth).toFixed(1)) }));
        problem = "";
      } catch (error) {
        if (signal.aborted) return;
        if (error.message !== problem) say(error.message, { wrong: true });
        problem = error.message;
        await new Promise((done) => setTimeout(done, PAUSE));
      }
      await new Promise(requestAnimationFrame);
    }
  }

  function show(found) {
    overlay.hidden = !found.heat_map || !heat.checked;
    if (found.heat_map && heat.checked) overlay.src = found.heat_map;
    const neighbours = near.checked && neighbourRow(found.neighbours);
    answer.replaceChildren(...said(found), bars(found.probabilities), ...(neighbours ? [neighbours] : []));
  }

  attempt(run);
  return element;
}
