// How a page of the server's answers: it asks the server that it comes from. Whatever that says
// becomes text, never markup.

const TRIES = 6;
const LONGEST_WAIT = 10;
const PICTURE = { type: "image/jpeg", quality: 0.95 };

let classifiers = [];

/** An error whose words are for the user. */
const refusal = (words) => Object.assign(new Error(words), { words });
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));
const detailOf = async (response) => (await response.json()).detail;

/** Ask the server; where it has no room just now, or is not done, again when it says so. */
async function fetched(place, more = {}) {
  const token = byId("token").value;
  const headers = { ...more.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) };
  for (let i = 1; ; i++) {
    const response = await fetch(place, { ...more, headers });
    if (![202, 429, 503].includes(response.status) || i === TRIES) return response;
    await pause(Math.min(Number(response.headers.get("Retry-After")) || 1, LONGEST_WAIT));
  }
}

/** Wait until somebody gives a token. */
function tokenGiven(words) {
  say(words);
  byId("access").hidden = false;
  byId("token").focus();
  return new Promise((resolve) => {
    byId("access").onsubmit = (event) => {
      event.preventDefault();
      resolve();
    };
  });
}

/** Ask which classifiers there are, and show the first. */
async function begin() {
  let response = await fetched("/classifiers");
  for (let words = texts.status.token; response.status === 401; words = texts.status.wrong_token) {
    await tokenGiven(words);
    // What can't be sent in a header is no token of this server's.
    response = await fetched("/classifiers").catch(() => ({ status: 401 }));
  }
  if (!response.ok) throw new Error(await detailOf(response));
  byId("access").hidden = true;
  ({ classifiers } = await response.json());
  byId("model").replaceChildren(...classifiers.map(({ name }) => new Option(name, name)));
  byId("choice").hidden = classifiers.length < 2;
  present(classifiers[0]);
}

/** Show a classifier: its answers come from now on, and those of another are gone. */
function present(classifier) {
  clear();
  facts = { ...classifier, texts, neighbours: null };
  rules.has_sets = facts.asked.has_sets;
  offerRules();
  document.title = byId("title").textContent = facts.title;
  const lines = facts.about.map(([term, said]) =>
    make("div", "", make("dt", "", term), ...said.map((text) => make("dd", "", text))));
  byId("about").replaceChildren(...lines);
  const { is_had: isHad, hindered_by: hindrance } = facts.page;
  byId("along").hidden = !isHad;
  byId("take-along").disabled = Boolean(hindrance);
  byId("along-status").textContent = hindrance
    ? filled(texts.status.not_made, { detail: hindrance }) : "";
  say(readyText());
}

const readyText = () => filled(texts.status.ready, facts);

/** Answer for a file or a picture; with `side`, with a thumbnail of at most so many pixels a side. */
async function classify({ blob, picture, side }) {
  const body = picture ? await fileOf(picture) : blob;
  let response;
  try {
    response = await fetched(`/predict/${encodeURIComponent(facts.name)}`, {
      method: "POST",
      headers: { "Content-Type": "application/octet-stream" },
      body,
    });
  } catch {
    throw refusal(texts.errors.failed);
  }
  if (!response.ok) throw refusal(await detailOf(response));
  const { digest, predictions } = await response.json();
  if (digest !== facts.digest) throw refusal(texts.errors.changed);
  const { label, decision, classes, probabilities, ood_score: oodScore } = predictions[0];
  return {
    probabilities: facts.class_names.map((name) => probabilities[name]),
    oodScore,
    classes,
    said: { label, kind: decision },
    thumbnail: side ? await shrunk(blob, side) : null,
  };
}

/** Return a picture of the camera's as a file. */
async function fileOf(picture) {
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d").drawImage(picture, 0, 0);
  picture.close();
  return canvas.convertToBlob(PICTURE);
}

/** Return a small picture of a file; null where this browser can't read what the server can. */
async function shrunk(blob, side) {
  try {
    const picture = await createImageBitmap(blob);
    const found = await thumbnailOf(picture, side);
    picture.close();
    return found;
  } catch {
    return null;
  }
}

/** Save the classifier as a page that answers by itself. */
async function takeAlong() {
  const told = (text, values) => {
    byId("along-status").textContent = filled(text, values);
  };
  byId("take-along").disabled = true;
  told(texts.status.making);
  try {
    const response = await fetched(facts.page.address);
    if (response.status === 200) {
      const page = await response.blob();
      const name = `${facts.name}.html`;
      saveAs(page, name);
      told(texts.status.made, { ...facts, name, megabytes: (page.size / 1e6).toFixed(1) });
    } else {
      told(texts.status.not_made, { detail: await detailOf(response) });
    }
  } catch {
    told(texts.status.not_made, { detail: texts.errors.failed });
  }
  byId("take-along").disabled = false;
}

function outside() {
  byId("model").addEventListener("change", ({ target }) => {
    present(classifiers[target.selectedIndex]);
  });
  byId("take-along").addEventListener("click", takeAlong);
}
