// The page starts here: texts, news from the server, the bar on top, and the place of the address.

import { byId, icon, make, setText, styled } from "./core/dom.js";
import { start as listen } from "./core/events.js";
import { showKeys, startKeys } from "./core/keys.js";
import { say } from "./core/messages.js";
import { go } from "./core/router.js";
import { state, watch } from "./core/store.js";
import { loadTexts, number, t } from "./core/texts.js";

/** The places in the order of the work; each module has `open(root, signal)`. */
const PLACES = {
  photos: () => import("./photos/place.js"),
  health: () => import("./health/place.js"),
  train: () => import("./train/place.js"),
  understand: () => import("./understand/place.js"),
  try: () => import("./try/place.js"),
  "hand-over": () => import("./hand_over/place.js"),
};

let closing = new AbortController();
let current = "";

function placeOf(path) {
  const name = path.slice(1);
  return name in PLACES ? name : "photos";
}

async function show() {
  const name = placeOf(location.pathname);
  closing.abort();
  closing = new AbortController();
  const { signal } = closing;
  const isOther = current !== name;
  current = name;
  showKeys([]);
  const root = byId("place");
  root.className = `place place-${name}`;
  document.title = t("shell.title_of", { place: t(`places.${name}.name`) });
  showSteps();
  try {
    const { open } = await PLACES[name]();
    if (signal.aborted) return;
    root.replaceChildren();
    open(root, signal);
    if (isOther) root.focus({ preventScroll: true });
    scrollTo(0, 0);
  } catch (error) {
    if (!signal.aborted) say(t("errors.place", { detail: error.message }), { wrong: true });
    console.error(error);
  }
}

// --- the bar ---

/** How far a step is: "done", "todo" or "", and a number that wants attention. */
function progressOf(name) {
  const { project, jobs } = state;
  if (!project) return {};
  const labelled = project.num_photos - project.num_unlabelled - project.num_excluded;
  const isReady = project.classes.length > 1 && labelled > 0;
  const run = Boolean(project.run);
  if (name === "photos") return { done: isReady, note: project.num_unlabelled ? number(project.num_unlabelled) : "" };
  if (name === "health") return { done: Boolean(jobs?.past.some((job) => job.kind === "doctor" && job.state === "done")) };
  if (name === "hand-over") return { done: Boolean(jobs?.past.some((job) => job.kind === "export" && job.state === "done")) };
  return { done: name === "train" ? run : false, ready: name === "try" ? isReady : run };
}

let drawn = "";

function showSteps() {
  const facts = JSON.stringify([current, Object.keys(PLACES).map(progressOf)]);
  if (facts === drawn) return;
  drawn = facts;
  const steps = Object.keys(PLACES).map((name, place) => {
    const { done, note } = progressOf(name);
    const label = t(`places.${name}.name`);
    const words = [done && t("shell.done"), note && t("shell.unlabelled", { count: state.project.num_unlabelled })].filter(Boolean);
    const link = make(
      "a",
      {
        href: `/${name}`,
        class: done ? "step done" : "step",
        "aria-current": name === current ? "page" : null,
      },
      make("span", { class: "step-icon" }, icon(name)),
      make("span", { class: "step-mark", "aria-hidden": "true" }, done ? icon("check") : String(place + 1)),
      make("span", { class: "step-name", text: label }),
      words.length > 0 && make("span", { class: "hidden", text: `, ${words.join(", ")}` }),
      note && make("span", { class: "step-note", text: note, "aria-hidden": "true" }),
    );
    return make("li", {}, link);
  });
  const had = document.activeElement?.closest("#steps a")?.getAttribute("href");
  byId("steps").replaceChildren(...steps);
  if (had) byId("steps").querySelector(`a[href="${had}"]`)?.focus();
}

function showProject(project) {
  setText(byId("project-name"), project.name);
  showTrouble();
  showSteps();
}

function showJob(jobs) {
  const chip = byId("job-chip");
  const job = jobs?.current;
  chip.hidden = !job;
  if (!job) return showSteps();
  const share = job.total ? job.done / job.total : 0;
  const words = t(`jobs.${job.kind}`);
  chip.href = { export: "/hand-over", predict: "/hand-over", doctor: "/health", "learning-curve": "/understand" }[job.kind] ?? "/train";
  chip.replaceChildren(styled(make("span", { class: "ring" }), { "--share": `${100 * share}%` }), make("span", { text: words }));
}

/** What stands in the way of all: the server is gone, or can't write. */
function showTrouble() {
  const { online, project } = state;
  const trouble = online === true ? (project?.problem ?? "") : t(online === "cookie" ? "errors.cookie" : "errors.away");
  byId("gone").hidden = !trouble;
  setText(byId("gone"), trouble);
}

/** Links within the page change the place; all others are the browser's. */
function takeClick(event) {
  const link = event.target.closest?.("a[href^='/']");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  if (link.target || link.hasAttribute("download")) return;
  const { pathname } = new URL(link.href);
  if (!(pathname.slice(1) in PLACES)) return;
  event.preventDefault();
  go(link.href);
}

async function start() {
  await loadTexts();
  startKeys();
  document.addEventListener("click", takeClick);
  addEventListener("popstate", show);
  // What is dropped beside a place for it must not replace the page.
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => event.preventDefault());
  watch("online", showTrouble);
  watch("project", showProject);
  watch("jobs", showJob);
  listen();
  await show();
  document.body.dataset.ready = "";
}

start();
