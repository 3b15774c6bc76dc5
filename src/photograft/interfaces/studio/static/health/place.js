// Is something wrong with photos or labels? The doctor's findings, the most severe first.

import { get, post } from "../core/api.js";
import { button, make, setText } from "../core/dom.js";
import { isCovered, isWriting, showKeys } from "../core/keys.js";
import { announce, attempt } from "../core/messages.js";
import { state, watch } from "../core/store.js";
import { number, t } from "../core/texts.js";
import { jobPanel, linkTo, startJob, teach } from "../parts/job.js";
import { clusters, findingCard, isAnswered } from "./finding.js";

const KEYS = { r: "relabel", x: "exclude", g: "group", o: "ok" };
const SHOWN_KEYS = [
  ["← →", "keys.move"],
  ["r", "keys.relabel"],
  ["o", "keys.ok"],
  ["x", "keys.exclude"],
  ["g", "keys.grouped"],
  ["Ctrl+Z", "keys.undo"],
];

/** @param {HTMLElement} root @param {AbortSignal} signal */
export function open(root, signal) {
  showKeys(SHOWN_KEYS);
  const lead = make("p", { class: "lead", role: "status" });
  const check = button(t("health.check"), () => startJob("doctor"));
  const cards = make("div", { class: "findings" });
  const old = make("p", { class: "notice", hidden: true, text: t("health.stale") });
  const head = make("div", { class: "page-head", hidden: true }, make("div", {}, make("h1", { text: t("health.title") }), lead), check);
  const page = make("div", { class: "page" }, head, jobPanel(["doctor"], signal), old, cards);
  root.append(page);
  let turn = 0;

  async function load() {
    const own = ++turn;
    const health = await attempt(() => get("/api/health", {}, signal));
    if (!health || own !== turn || signal.aborted) return;
    show(health);
  }

  function show(health) {
    const { findings, state: age } = health;
    const items = findings.flatMap(({ photos, actions }) => (actions.includes("group") ? clusters(photos) : photos.map((one) => [one])));
    const left = items.filter((item) => !isAnswered(item)).length;
    const isNew = age === "none";
    setText(lead, isNew ? "" : findings.length ? t("health.left", { count: left, findings: number(findings.length) }) : t("health.well_short", { count: health.num_photos }));
    old.hidden = age !== "stale";
    check.hidden = isNew || Boolean(state.jobs?.current?.kind === "doctor");
    setText(check.firstElementChild, t("health.again"));
    check.classList.toggle("second", age === "fresh");
    const at = focused();
    head.hidden = isNew;
    if (isNew) {
      const isBusy = state.jobs?.current?.kind === "doctor";
      const go = state.project?.num_photos ? button(t("health.check"), () => startJob("doctor"), { kind: "large" }) : linkTo("/photos", t("go.photos"), "large");
      cards.replaceChildren(...(isBusy ? [] : [teach("health", "health.none", go)]));
      return;
    }
    if (!findings.length) cards.replaceChildren(teach("check", "health.well", linkTo("/train", t("go.train"))));
    else cards.replaceChildren(...findings.map((finding) => findingCard(finding, answer)));
    if (at) find(at)?.focus();
    if (findings.length && !left) cards.append(make("div", { class: "notice" }, make("p", { text: t("health.all_answered") }), linkTo("/train", t("go.train"))));
  }

  /** Which photo of which finding has the focus. */
  function focused() {
    const photo = document.activeElement?.closest?.(".flagged");
    return photo && { finding: photo.closest(".finding").dataset.id, id: photo.dataset.id };
  }

  const find = ({ finding, id }) => cards.querySelector(`.finding[data-id="${CSS.escape(finding)}"] .flagged[data-id="${id}"]`);

  async function answer(photos, action, value, finding) {
    const ids = photos.map(({ id }) => id);
    // Nobody has to think of a name for what only has to stay together.
    const name = action === "group" ? `together-${Date.now().toString(36)}-${ids[0]}` : value;
    const done = await attempt(() => post("/api/answers", { ids, action, value: name, finding }));
    if (!done) return;
    announce(done.what ?? t("health.answered"));
    await load();
  }

  addEventListener("keydown", (event) => {
    if (isWriting(event) || isCovered() || event.altKey) return;
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") {
      event.preventDefault();
      attempt(async () => {
        await post(event.shiftKey ? "/api/redo" : "/api/undo", { revision: state.revision });
        await load();
      });
      return;
    }
    if (event.ctrlKey || event.metaKey) return;
    const all = [...cards.querySelectorAll(".flagged")];
    const at = all.indexOf(document.activeElement?.closest?.(".flagged"));
    if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      const to = all[Math.max(0, at + (event.key === "ArrowRight" ? 1 : -1))];
      if (!to) return;
      event.preventDefault();
      to.focus();
      to.scrollIntoView({ block: "nearest" });
    }
    const action = KEYS[event.key.toLowerCase()];
    if (at < 0 || !action) return;
    const control = all[at].querySelector(`[data-action="${action}"]`);
    if (!control) return;
    event.preventDefault();
    const next = all.slice(at + 1).find((photo) => !photo.classList.contains("answered"));
    if (next) next.focus();
    control.click();
  }, { signal });

  let revision = state.project?.revision;
  watch("project", (project) => {
    if (project.revision === revision) return;
    revision = project.revision;
    load();
  }, signal);
  watch("health", load, signal);
  let wasBusy = false;
  watch("jobs", (jobs) => {
    const isBusy = jobs.current?.kind === "doctor";
    if (isBusy !== wasBusy) load();
    wasBusy = isBusy;
  }, signal);
}
