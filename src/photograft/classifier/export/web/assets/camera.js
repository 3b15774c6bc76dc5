// The camera: what it shows is answered live, and kept where that is wanted.

let stream = null;

// Seconds of rest after a failure, doubled by each that follows.
const REST = 1;
const LONGEST_REST = 30;

async function openCamera() {
  try {
    const video = { facingMode: "environment", width: { ideal: 1280 } };
    stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
  } catch (error) {
    return say(filled(texts.status.camera_off, { detail: error.message || error.name }), true);
  }
  byId("camera").hidden = false;
  byId("live").replaceChildren();
  byId("video").srcObject = stream;
  await byId("video").play();
  byId("keep").focus();
  watch(stream);
}

async function watch(own) {
  let rest = REST;
  while (stream === own) {
    try {
      const picture = await createImageBitmap(byId("video"));
      const found = await classify({ picture });
      if (stream !== own) return;
      const answered = answerOf(found, facts.class_names, rules);
      byId("live").replaceChildren(
        ...saidOf({ answer: answered, oodScore: found.oodScore }, rules, texts),
        barsOf(answered, found.probabilities, facts.class_names, texts),
      );
      rest = REST;
    } catch (error) {
      // What fails is said, and not tried again at once: it may fail as often as there are pictures.
      if (stream !== own) return;
      byId("live").replaceChildren(make("p", "error", wordsOf(error)));
      await new Promise((resolve) => setTimeout(resolve, 1000 * rest));
      rest = Math.min(2 * rest, LONGEST_REST);
    }
    await new Promise(requestAnimationFrame);
  }
}

async function keepPicture() {
  const picture = await createImageBitmap(byId("video"));
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d").drawImage(picture, 0, 0);
  picture.close();
  const blob = await canvas.convertToBlob({ type: "image/png" });
  add([{ name: filled(texts.photo.camera, { number: ++taken }), blob }]);
}

function stopCamera() {
  for (const track of stream?.getTracks() ?? []) track.stop();
  stream = null;
  byId("video").srcObject = null;
  byId("camera").hidden = true;
  byId("use-camera").focus();
}
