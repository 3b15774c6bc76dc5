// The camera: what it shows is answered live, and kept where that is wanted.

let stream = null;

async function openCamera() {
  try {
    const video = { facingMode: "environment", width: { ideal: 1280 } };
    stream = await navigator.mediaDevices.getUserMedia({ video, audio: false });
  } catch (error) {
    return say(filled(texts.status.camera_off, { detail: error.message || error.name }), true);
  }
  byId("camera").hidden = false;
  byId("video").srcObject = stream;
  await byId("video").play();
  byId("keep").focus();
  watch(stream);
}

async function watch(own) {
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
    } catch {
      // Between two pictures there is none; the next one will do.
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
