// The webcam: shown as the browser shows it, and pictures taken from it.

import { t } from "../core/texts.js";

/**
 * Show the webcam in this element until the signal comes.
 * @param {HTMLVideoElement} video @param {AbortSignal} signal
 */
export async function startCamera(video, signal) {
  if (!navigator.mediaDevices) throw new Error(t("camera.none"));
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } }, audio: false });
  } catch (error) {
    throw new Error(t(error.name === "NotAllowedError" ? "camera.denied" : "camera.none"), { cause: error });
  }
  const stop = () => {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  };
  if (signal.aborted) return stop();
  signal.addEventListener("abort", stop);
  video.srcObject = stream;
  await video.play();
  return undefined;
}

/** What the webcam shows now, as a JPEG at most `side` pixels wide or high. @returns {Promise<Blob>} */
export async function takePicture(video, side = 1280) {
  const { videoWidth, videoHeight } = video;
  const scale = Math.min(1, side / Math.max(videoWidth, videoHeight));
  const canvas = new OffscreenCanvas(Math.round(videoWidth * scale), Math.round(videoHeight * scale));
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
}
