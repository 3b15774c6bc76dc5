// The page: starts the worker, feeds it photos, shows what it says.

const facts = JSON.parse(byId("facts").textContent);
const { texts, class_names: classNames } = facts;
/** When no class is named, as the user has it now. */
const rules = { ood_threshold: null, confidence: null };
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

// --- the worker ---

let worker;
const asked = new Map();
let lastId = 0;

function ask(task, given, transfer = []) {
  return new Promise((resolve, reject) => {
    const id = ++lastId;
    asked.set(id, { resolve, reject });
    worker.postMessage({ id, task, given }, transfer);
  });
}

function startWorker() {
  const code = byId("worker").textContent;
  worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  worker.onmessage = ({ data: { id, found, error, detail } }) => {
    const { resolve, reject } = asked.get(id);
    asked.delete(id);
    if (error) reject(Object.assign(new Error(detail), { reason: error }));
    else resolve(found);
  };
  worker.onerror = (event) => {
    for (const { reject } of asked.values()) reject(new Error(event.message || "worker"));
    asked.clear();
  };
}

function take(id) {
  const element = byId(id);
  const text = element.textContent;
  element.remove();
  return text;
}

function say(text, isWarning = false) {
  byId("status").textContent = text;
  byId("status").className = isWarning ? "warning" : "";
}

function missing() {
  const needed = ["DecompressionStream", "WebAssembly", "OffscreenCanvas", "createImageBitmap"];
  return needed.filter((name) => !(name in window));
}

async function start() {
  const lacking = missing();
  if (lacking.length) return say(filled(texts.status.old, { what: lacking.join(", ") }), true);
  try {
    startWorker();
    const packed = ["packed-runtime", "packed-binary", "packed-network"].map(take);
    const { looks, shape, input, outputs, checks, max_pixels } = facts;
    const given = { packed, facts: { looks, shape, input, outputs, checks, max_pixels } };
    const { threads } = await ask("start", given);
    say(texts.status.checking);
    const checked = await ask("check");
    window.photograft = { threads, checked }; // for whoever looks into it
    const wrong = checked.find(({ agrees }) => !agrees);
    if (wrong) {
      worker.terminate();
      const difference = wrong.difference.toPrecision(2);
      return say(filled(texts.status.disagrees, { name: wrong.name, difference }), true);
    }
    say(filled(texts.status.ready, { count: checked.length }));
  } catch (error) {
    return say(filled(texts.status.failed, { detail: error.message }), true);
  }
  for (const id of OPENERS) byId(id).disabled = id === "use-camera" && !navigator.mediaDevices;
  document.body.dataset.ready = "";
  next();
}

// --- photos ---

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
    const found = await ask("classify", { blob: photo.blob, side: THUMBNAIL });
    row = found;
    row.address = URL.createObjectURL(found.thumbnail);
  } catch (error) {
    row = { error: error.reason ?? "failed" };
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
  for (const row of fresh) row.answer = row.error ? null : answerOf(row, classNames, rules);
  const { header, cells } = tableOf(fresh, classNames, rules, texts);
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
  say(filled(texts.status.ready, { count: facts.checks.length }));
  byId("choose").focus();
}

function save() {
  const done = rows.filter(Boolean);
  const text = csvOf(tableOf(done, classNames, rules, texts));
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = texts.csv;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// --- when no class is named ---

/** Offer the rules that the classifier has; what it can't tell is not asked. */
function offerRules() {
  const { unknown, unsure } = facts.rules;
  byId("unknown-choice").hidden = !unknown;
  byId("unsure-choice").hidden = !unsure.length;
  byId("rules").hidden = !unknown && !unsure.length;
  byId("say-unknown").checked = Boolean(unknown);
  const choice = byId("say-unsure");
  choice.append(new Option(texts.rules.never, ""));
  for (const rule of unsure) {
    const values = { confidence: percent(rule.confidence), accuracy: roundPercent(rule.min_accuracy) };
    const words = filled(texts.rules[rule.is_shown ? "target" : "hoped"], values);
    choice.append(new Option(words, String(rule.confidence)));
  }
  choice.value = unsure[0]?.is_shown ? String(unsure[0].confidence) : "";
  const take = () => {
    rules.ood_threshold = byId("say-unknown").checked ? unknown.ood_threshold : null;
    rules.confidence = choice.value ? Number(choice.value) : null;
    showAgain();
  };
  byId("say-unknown").addEventListener("change", take);
  choice.addEventListener("change", take);
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
  on("clear", "click", clear);
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

/** Beside a server's page lie what makes it one that can be installed, and works offline then. */
function beInstallable() {
  if (!location.protocol.startsWith("http") || !navigator.serviceWorker) return;
  document.head.append(Object.assign(make("link"), { rel: "manifest", href: "manifest.webmanifest" }));
  navigator.serviceWorker.register("service-worker.js").catch(() => {});
}

listen();
offerRules();
start();
beInstallable();
