// Work that is under way: what it does, how far it is, how long it still takes; and a stop.

import { post } from "../core/api.js";
import { button, icon, make, setText } from "../core/dom.js";
import { attempt } from "../core/messages.js";
import { watch } from "../core/store.js";
import { duration, percent, t } from "../core/texts.js";

/** Start work of this kind. @param {string} kind @param {Record<string, any>} [options] */
export const startJob = (kind, options = {}) => attempt(() => post("/api/jobs", { kind, options }));

/** The latest of these kinds that ended. @param {any} jobs @param {string[]} kinds */
export const latest = (jobs, kinds) => jobs?.past.find((job) => kinds.includes(job.kind));

/**
 * Show work of these kinds while it lasts, and what became of it where it failed.
 * @param {string[]} kinds @param {AbortSignal} signal
 */
export function jobPanel(kinds, signal) {
  const title = make("h2");
  const step = make("p", { class: "job-step", role: "status" });
  const bar = make("progress", { class: "job-bar" });
  const left = make("p", { class: "faint figure" });
  const log = make("ol", { class: "job-log" });
  const details = make("details", { class: "job-details" }, make("summary", { text: t("job.log") }), log);
  let id = null;
  const stop = button(t("job.stop"), () => attempt(() => post("/api/jobs/stop", { id })), { kind: "second" });
  const running = make("div", { class: "job" }, make("div", { class: "panel-head" }, title, stop), bar, make("div", { class: "job-words" }, step, left), details);
  const ended = make("div", { class: "notice wrong", hidden: true });
  const element = make("section", { class: "panel job-panel", "aria-label": t("job.title") }, running, ended);

  watch("jobs", (jobs) => {
    const waits = jobs.queue.find((one) => kinds.includes(one.kind));
    const job = jobs.current && kinds.includes(jobs.current.kind) ? jobs.current : null;
    const last = latest(jobs, kinds);
    const isFailed = !job && !waits && last?.state === "failed";
    running.hidden = !job && !waits;
    ended.hidden = !isFailed;
    element.hidden = running.hidden && ended.hidden;
    if (isFailed) setText(ended, t("job.failed", { what: t(`jobs.${last.kind}`), why: last.error ?? "" }));
    if (waits && !job) {
      id = waits.id;
      setText(title, t(`jobs.${waits.kind}`));
      setText(step, t("job.waits"));
      setText(left, "");
      bar.removeAttribute("value");
    }
    if (job) show(job);
  }, signal);

  function show(job) {
    id = job.id;
    setText(title, t(`jobs.${job.kind}`));
    setText(step, job.step || t("job.begins"));
    bar.setAttribute("aria-label", t(`jobs.${job.kind}`));
    if (job.total) Object.assign(bar, { max: job.total, value: job.done });
    else bar.removeAttribute("value");
    const words = [];
    if (job.total > 1) words.push(percent(job.done / job.total));
    if (job.seconds_left) words.push(t("job.left", { span: duration(job.seconds_left) }));
    if (job.words) words.push(job.words);
    setText(left, words.join(" · "));
    details.hidden = !job.log?.length;
    const lines = job.log ?? [];
    if (log.childElementCount !== lines.length) log.replaceChildren(...lines.map((text) => make("li", { text })));
  }
  return element;
}

/** Where there is nothing yet: what belongs here, and the way there. */
export function teach(picture, name, ...actions) {
  return make(
    "div",
    { class: "teach" },
    make("span", { class: "teach-icon" }, icon(picture)),
    make("h1", { text: t(`${name}.title`) }),
    make("p", { text: t(`${name}.text`) }),
    make("div", { class: "buttons" }, ...actions),
  );
}

/** A link that looks like a button. */
export const linkTo = (href, text, kind = "") => make("a", { href, class: `button ${kind}`, text });
