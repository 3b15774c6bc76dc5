// The page: takes photos, has them answered, shows what is said.
//
// What answers them is another script: `alone.js` has a worker of the page's own do it, `served.js`
// asks the server. Each has `begin`, `classify`, `readyText` and `outside`.

/** What the scripts are told of the classifier, and the page's `texts`. */
let facts = JSON.parse(byId("facts").textContent);
const { texts } = facts;
/** When no class is named, as the user has it now. */
const rules = { ood_threshold: null, confidence: null, are_asked: false };
const CARDS = 200;
const AT_ONCE = 3;
const THUMBNAIL = 480;
const OPENERS = ["choose", "choose-folder", "use-camera"];

const rows = [];
const waiting = [];
let total = 0;
let underWay = 0;
let pasted = 0;
let taken = 0;

// --- the start ---

function say(text, isWarning = false) {
  byId("status").textContent = text;
  byId("status").className = isWarning ? "warning" : "";
}

async function start() {
  try {
    await begin();
  } catch (error) {
    return say(error.words ?? filled(texts.status.failed, { detail: error.message }), true);
  }
  say(readyText());
  for (const id of OPENERS) byId(id).disabled = id === "use-camera" && !navigator.mediaDevices;
  document.body.dataset.ready = "";
  next();
}

// --- photos ---

/** Why a photo has no answer. */
const wordsOf = (error) => error.words ?? texts.errors[error.reason ?? "failed"];

function add(photos) {
  if (!photos.length) return say(texts.status.nothing);
  total += photos.length;
  batch++;
  waiting.push(...photos.map((photo) => ({ ...photo, batch })));
  next();
}

function next() {
  if (!("ready" in document.body.dataset)) return;
  while (underWay < AT_ONCE && waiting.length) answer(waiting.shift(), rows.push(null) - 1);
}

async function answer(photo, place) {
  underWay++;
  const started = generation;
  let row;
  try {
    row = await classify({ blob: photo.blob, side: THUMBNAIL });
    row.address = row.thumbnail ? URL.createObjectURL(row.thumbnail) : null;
  } catch (error) {
    row = { error: wordsOf(error) };
  }
  Object.assign(row, { name: photo.name, batch: photo.batch });
  underWay--;
  if (started === generation) {
    rows[place] = row;
    show();
  }
  next();
}

let generation = 0;
let batch = 0;
let shown = 0;
let cards = [];
let shownBatch = 0;
let before = null;

/** Show the answers that are there: what was added last above, and among that in its order. */
function show() {
  byId("answers").hidden = false;
  const list = byId("cards");
  const body = byId("rows").querySelector("tbody");
  const head = byId("rows").querySelector("thead tr");
  const fresh = [];
  while (shown < rows.length && rows[shown]) fresh.push(rows[shown++]);
  for (const row of fresh) row.answer = row.error ? null : answerOf(row, facts.class_names, rules);
  const { header, cells } = tableOf(fresh, facts.class_names, rules, texts);
  if (!head.children.length) {
    head.append(...header.map((text) => Object.assign(make("th", "", text), { scope: "col" })));
  }
  body.append(...cells.map(tableRowOf));
  for (const row of fresh) {
    const card = cardOf(row, rules, facts);
    if (row.batch !== shownBatch) before = list.firstChild;
    shownBatch = row.batch;
    list.insertBefore(card, before);
    cards.push({ card, row });
  }
  for (const { card, row } of cards.splice(0, Math.max(cards.length - CARDS, 0))) {
    if (card === before) before = null;
    card.remove();
    if (row.address) URL.revokeObjectURL(row.address);
    row.address = row.likeness = row.thumbnail = null;
  }
  byId("earlier").hidden = shown <= CARDS;
  byId("earlier").textContent = filled(texts.photo.earlier, { count: CARDS });
  showCounts();
  const isDone = shown === total;
  const progress = byId("progress");
  progress.hidden = isDone;
  progress.value = shown / total;
  const words = filled(total === 1 ? texts.photo.one : texts.photo.many, { count: numbered(total) });
  const values = { done: numbered(shown), total: isDone ? words : numbered(total) };
  say(filled(isDone ? texts.status.done : texts.status.working, values));
}

/** Show all answers anew: the rules are others now. */
function showAgain() {
  const kept = cards.length;
  for (const part of [byId("cards"), byId("rows").querySelector("tbody")]) part.replaceChildren();
  byId("rows").querySelector("thead tr").replaceChildren();
  shown = shownBatch = 0;
  before = null;
  cards = [];
  if (kept) show();
}

function showCounts() {
  const counts = new Map();
  for (const row of rows.slice(0, shown)) {
    if (!row.answer) continue;
    const { kind, label } = row.answer;
    const said = kind === "class" ? label : texts.answer[kind];
    counts.set(said, (counts.get(said) ?? 0) + 1);
  }
  const order = [...counts].sort((a, b) => b[1] - a[1]);
  byId("counts").replaceChildren(
    ...order.map(([said, count]) => make("li", "", `${said} `, make("strong", "", numbered(count)))),
  );
}

function clear() {
  generation++;
  for (const { row } of cards) if (row.address) URL.revokeObjectURL(row.address);
  rows.length = waiting.length = total = shown = 0;
  cards = [];
  before = null;
  for (const part of [byId("cards"), byId("rows").querySelector("tbody"), byId("counts")]) {
    part.replaceChildren();
  }
  byId("answers").hidden = byId("progress").hidden = true;
}

function save() {
  const done = rows.filter(Boolean);
  const text = csvOf(tableOf(done, facts.class_names, rules, texts));
  saveAs(new Blob([text], { type: "text/csv" }), texts.csv);
}

function saveAs(blob, name) {
  const link = make("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// --- when no class is named ---

/** Offer the rules that the classifier has; what it can't tell is not asked. */
function offerRules() {
  const { unknown, unsure } = facts.rules;
  const begun = facts.asked ?? {
    ood_threshold: unknown && unknown.ood_threshold,
    confidence: unsure[0]?.is_shown ? unsure[0].confidence : null,
  };
  const limit = begun.ood_threshold ?? unknown?.ood_threshold;
  byId("unknown-choice").hidden = !unknown;
  byId("unsure-choice").hidden = !unsure.length;
  byId("rules").hidden = !unknown && !unsure.length;
  const check = byId("say-unknown");
  check.checked = begun.ood_threshold !== null;
  const choice = byId("say-unsure");
  choice.replaceChildren(new Option(texts.rules.never, ""));
  // Two of them may have the same confidence: it is their places that tell them apart.
  const confidences = [null, ...unsure.map(({ confidence }) => confidence)];
  for (const rule of unsure) {
    const values = { confidence: percent(rule.confidence), accuracy: roundPercent(rule.min_accuracy) };
    const words = filled(texts.rules[rule.is_shown ? "target" : "hoped"], values);
    choice.append(new Option(words, String(choice.length)));
  }
  if (!confidences.includes(begun.confidence)) {
    confidences.push(begun.confidence);
    const values = { confidence: percent(begun.confidence) };
    choice.append(new Option(filled(texts.rules.asked, values), String(choice.length)));
  }
  const asked = confidences.indexOf(begun.confidence);
  choice.selectedIndex = asked;
  const take = () => {
    rules.ood_threshold = check.checked ? limit : null;
    rules.confidence = confidences[choice.selectedIndex];
    rules.are_asked =
      check.checked === (begun.ood_threshold !== null) && rules.confidence === begun.confidence;
    showAgain();
  };
  check.onchange = choice.onchange = take;
  take();
}

// --- what users do ---

function listen() {
  const on = (id, event, use) => byId(id).addEventListener(event, use);
  on("choose", "click", () => byId("files").click());
  on("choose-folder", "click", () => byId("folder").click());
  on("use-camera", "click", () => stream ?? openCamera());
  for (const id of ["files", "folder"]) {
    on(id, "change", ({ target }) => {
      add(namedFiles(target.files));
      target.value = ""; // so that the same can be chosen again
    });
  }
  on("keep", "click", keepPicture);
  on("stop", "click", stopCamera);
  on("save", "click", save);
  on("clear", "click", () => {
    clear();
    say(readyText());
    byId("choose").focus();
  });
  addEventListener("paste", ({ clipboardData }) => {
    const photos = [...clipboardData.files].map((blob) => ({
      name: filled(texts.photo.pasted, { number: ++pasted }),
      blob,
    }));
    if (photos.length) add(photos);
  });
  const light = (isOver) => byId("drop").classList.toggle("over", isOver);
  addEventListener("dragover", (event) => {
    event.preventDefault();
    light(true);
  });
  addEventListener("dragleave", ({ relatedTarget }) => relatedTarget ?? light(false));
  addEventListener("drop", async (event) => {
    event.preventDefault();
    light(false);
    add(await filesDropped(event.dataTransfer));
  });
}

listen();
outside();
start();
