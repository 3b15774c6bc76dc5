// How a page of the server's answers: it asks the server that it comes from. Whatever that says
// becomes text, never markup.

const TRIES = 6;
const LONGEST_WAIT = 10;
const PICTURE = { type: "image/jpeg", quality: 0.95 };

let classifiers = [];

/** An error whose words are for the user. */
const refusal = (words) => Object.assign(new Error(words), { words });
const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/** What the server says of a refusal; where it says nothing, as a proxy's page, its status. */
async function detailOf(response) {
  const said = await response.json().catch(() => ({}));
  return said.detail ?? filled(texts.errors.status, { status: response.status });
}

/** Ask the server; where it has no room just now, or is not done, again when it says so. */
async function sent(place, more, token, { tries, told }) {
  let headers;
  try {
    headers = new Headers({ ...more.headers, ...(token ? { Authorization: `Bearer ${token}` } : {}) });
  } catch {
    return new Response(null, { status: 401 }); // what no header can hold is no token of its
  }
  for (let i = 1; ; i++) {
    let response;
    try {
      response = await fetch(place, { ...more, headers });
    } catch {
      throw refusal(texts.errors.unreachable);
    }
    if (![202, 429, 503].includes(response.status) || i >= tries) return response;
    if (response.status !== 202) told(texts.status.busy);
    await pause(Math.min(Number(response.headers.get("Retry-After")) || 1, LONGEST_WAIT));
  }
}

let tokenAsked = null;

/** Ask likewise; where the server wants a token, or another one, the user is asked for it first. */
async function fetched(place, more = {}, { tries = TRIES, told = say } = {}) {
  for (let isAsked = false; ; ) {
    const token = byId("token").value;
    const response = await sent(place, more, token, { tries, told });
    if (response.status !== 401) {
      if (isAsked) say(facts.name ? readyText() : texts.status.starting);
      return response;
    }
    // Where somebody has given another one meanwhile, that is tried.
    if (tokenAsked || token === byId("token").value) await (tokenAsked ??= tokenGiven());
    isAsked = true;
  }
}

/** Wait until somebody gives a token. */
function tokenGiven() {
  const isWrong = byId("token").value !== "";
  say(isWrong ? texts.status.wrong_token : texts.status.token, isWrong);
  byId("access").hidden = false;
  byId("token").focus();
  return new Promise((resolve) => {
    byId("access").onsubmit = (event) => {
      event.preventDefault();
      byId("access").hidden = true;
      tokenAsked = null;
      resolve();
    };
  });
}

/** Ask which classifiers there are, and show the first. */
async function begin() {
  let response;
  try {
    response = await fetched("/classifiers");
  } catch {
    throw refusal(texts.status.unreachable);
  }
  if (!response.ok) {
    throw refusal(filled(texts.status.refused, { detail: await detailOf(response) }));
  }
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
  byId("about-title").hidden = false;
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
  const response = await fetched(
    `/predict/${encodeURIComponent(facts.name)}`,
    { method: "POST", headers: { "Content-Type": "application/octet-stream" }, body },
    { tries: picture ? 1 : TRIES }, // the camera has a newer picture by then
  );
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
    const response = await fetched(facts.page.address, {}, { told });
    if (response.status === 200) {
      const page = await response.blob();
      const name = `${facts.name}.html`;
      saveAs(page, name);
      told(texts.status.made, { ...facts, name, megabytes: (page.size / 1e6).toFixed(1) });
    } else {
      told(texts.status.not_made, { detail: await detailOf(response) });
    }
  } catch (error) {
    told(texts.status.not_made, { detail: wordsOf(error) });
  }
  byId("take-along").disabled = false;
}

function outside() {
  byId("about-title").hidden = true; // nothing is known of it yet
  byId("model").addEventListener("change", ({ target }) => {
    present(classifiers[target.selectedIndex]);
  });
  byId("take-along").addEventListener("click", takeAlong);
}
