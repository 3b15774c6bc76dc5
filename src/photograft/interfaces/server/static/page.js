"use strict";
// Sends photos to the server that this page comes from, and shows what it answers. Whatever the
// server says becomes text, never markup.
const find = (id) => document.getElementById(id);
const MOST_SHOWN = 5;

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function headers(more) {
  const token = find("token").value;
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

async function listClassifiers() {
  const response = await fetch("/v2/models", { headers: headers({}) });
  find("access").hidden = response.status !== 401 && !find("token").value;
  if (!response.ok) {
    const problem = await response.json();
    find("status").textContent = problem.detail;
    return;
  }
  find("status").textContent = "";
  const { models } = await response.json();
  find("model").replaceChildren(...models.map((name) => element("option", name)));
  find("choice").hidden = models.length < 2;
}

function bars(probabilities) {
  const list = element("dl");
  const best = Object.entries(probabilities).sort((a, b) => b[1] - a[1]).slice(0, MOST_SHOWN);
  for (const [name, probability] of best) {
    const bar = element("progress");
    bar.max = 1;
    bar.value = probability;
    bar.setAttribute("aria-label", name);
    const cell = element("dd");
    cell.append(bar);
    const label = element("dt", name);
    label.title = name;
    list.append(label, cell, element("dd", `${(100 * probability).toFixed(1)}%`, "number"));
  }
  return list;
}

function show(item, file, answer) {
  const text = element("div");
  if (answer.error) {
    item.className = "error";
    text.append(element("h2", "No answer"), element("p", `${file.name}: ${answer.error}`, "said"));
  } else {
    const isClass = answer.decision === "class";
    text.append(element("h2", isClass ? answer.label : answer.decision));
    const score = answer.ood_score === null ? "" : `, OOD score ${answer.ood_score.toFixed(2)}`;
    const nearest = isClass ? "" : `, nearest ${answer.label}`;
    text.append(element("p", `${file.name}${nearest}${score}`, "said"), bars(answer.probabilities));
  }
  item.append(text);
}

async function classify(file) {
  const item = element("li");
  const picture = element("img");
  picture.alt = "";
  picture.src = URL.createObjectURL(file);
  picture.onload = () => URL.revokeObjectURL(picture.src);
  picture.onerror = () => picture.classList.add("unseen"); // no format of this browser's
  item.append(picture);
  find("answers").prepend(item);
  const model = encodeURIComponent(find("model").value);
  try {
    const response = await fetch(`/predict/${model}`, {
      method: "POST",
      headers: headers({ "Content-Type": "application/octet-stream" }),
      body: file,
    });
    const answer = await response.json();
    show(item, file, response.ok ? answer.predictions[0] : answer);
  } catch (error) {
    show(item, file, { error: "the server did not answer" });
  }
}

async function classifyAll(files) {
  let done = 0;
  for (const file of files) {
    find("status").textContent = `${++done} of ${files.length}`;
    await classify(file);
  }
  find("status").textContent = "";
}

const drop = find("drop");
find("files").addEventListener("change", (event) => {
  classifyAll([...event.target.files]).then(() => { event.target.value = ""; });
});
for (const name of ["dragenter", "dragover"]) {
  drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
}
for (const name of ["dragleave", "drop"]) {
  drop.addEventListener(name, () => drop.classList.remove("over"));
}
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  classifyAll([...event.dataTransfer.files]);
});
document.addEventListener("paste", (event) => classifyAll([...event.clipboardData.files]));
find("access").addEventListener("submit", (event) => {
  event.preventDefault();
  listClassifiers();
});
listClassifiers();
