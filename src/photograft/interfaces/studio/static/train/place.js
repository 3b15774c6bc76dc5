// Training: one button and three plain choices; how it goes; what came of it.

import { get } from "../core/api.js";
import { button, icon, make, setText } from "../core/dom.js";
import { attempt } from "../core/messages.js";
import { state, watch } from "../core/store.js";
import { ago, number, percent, t } from "../core/texts.js";
import { jobPanel, linkTo, startJob, teach } from "../parts/job.js";

const KINDS = ["train", "compare"];
/** What each choice asks for. */
const CHOICES = {
  quick: ["train", { effort: "quick" }],
  thorough: ["train", { effort: "thorough" }],
  compare: ["compare", {}],
};

/** @param {HTMLElement} root @param {AbortSignal} signal */
export function open(root, signal) {
  const result = make("section", { class: "panel result", "aria-label": t("train.result"), hidden: true });
  const radios = Object.keys(CHOICES).map((name, i) => choice(name, i === 0));
  const start = button(t("train.start"), begin, { kind: "large", icon: "train" });
  const facts = make("p", { class: "faint" });
  const form = make(
    "section",
    { class: "panel train-form", hidden: true, "aria-labelledby": "train-choices" },
    make("fieldset", { class: "choices" }, make("legend", { id: "train-choices", text: t("train.choose") }), ...radios),
    make("div", { class: "train-foot" }, start, facts),
  );
  const past = make("section", { class: "panel", hidden: true });
  const head = make("div", { class: "page-head", hidden: true }, make("div", {}, make("h1", { text: t("train.title") }), make("p", { class: "lead", text: t("train.lead") })));
  const lacking = make("div", { hidden: true });
  root.append(make("div", { class: "page narrow" }, head, lacking, jobPanel(KINDS, signal), result, form, past));

  function begin() {
    const chosen = form.querySelector("input:checked").value;
    const [kind, options] = CHOICES[chosen];
    start.disabled = true;
    startJob(kind, options).finally(() => (start.disabled = false));
  }

  function show() {
    const { project, jobs } = state;
    if (!project) return;
    const labelled = project.classes.filter(({ num_photos: count }) => count > 0);
    const isReady = labelled.length > 1;
    const isBusy = Boolean([jobs?.current, ...(jobs?.queue ?? [])].find((job) => job && KINDS.includes(job.kind)));
    form.hidden = !isReady || isBusy;
    head.hidden = lacking.childElementCount > 0 && !isReady;
    lacking.hidden = isReady || isBusy;
    if (!isReady && !lacking.childElementCount) lacking.append(teach("train", "train.lacking", linkTo("/photos", t("go.photos"), "large")));
    head.hidden = !lacking.hidden;
    const total = labelled.reduce((sum, { num_photos: count }) => sum + count, 0);
    setText(facts, t("train.facts", { count: total, classes: number(labelled.length) }));
    showPast(jobs?.past.filter((job) => KINDS.includes(job.kind)) ?? []);
  }

  function showPast(done) {
    past.hidden = !done.length;
    past.replaceChildren(
      make("h2", { text: t("train.past") }),
      make("ul", { class: "past" }, ...done.slice(0, 8).map((job, i) =>
        make(
          "li",
          {},
          make("span", { class: `badge ${job.state === "done" ? "right" : job.state === "failed" ? "wrong" : ""}`, text: t(`job.states.${job.state}`) }),
          make("span", { class: "past-what", text: [t(`jobs.${job.kind}`), nameOf(job)].filter(Boolean).join(": ") }),
          make("span", { class: "figure", text: job.result?.accuracy === undefined || job.result?.accuracy === null ? "" : percent(job.result.accuracy) }),
          make("span", { class: "faint small-text", text: job.ended ? ago(job.ended) : "" }),
          i === 0 && job.state !== "done" && button(t("train.go_on"), () => startJob(job.kind, job.options ?? {}), { kind: "second small" }),
          job.result?.url && make("a", { href: job.result.url, target: "_blank", text: t("train.page") }),
        ))),
    );
  }

  async function showResult() {
    const run = await attempt(() => get("/api/run", {}, signal));
    if (!run || signal.aborted) return;
    result.hidden = run.state === "none";
    if (run.state === "none") return;
    result.replaceChildren(
      make("div", { class: "result-figure" }, make("p", { class: "big-figure", text: percent(run.accuracy) }), run.interval && make("p", { class: "faint small-text", text: t("live.interval", { low: percent(run.interval[0]), high: percent(run.interval[1]) }) })),
      make(
        "div",
        { class: "result-words" },
        make("h2", { text: t("train.result_of", { name: run.name }) }),
        ...run.verdict.map((text) => make("p", { text })),
        run.state === "stale" && make("p", { class: "notice", text: t("train.stale") }),
        make("div", { class: "buttons" }, linkTo("/understand", t("go.understand")), linkTo("/try", t("go.try"), "second")),
      ),
    );
  }

  watch("project", show, signal);
  watch("jobs", show, signal);
  watch("run", showResult, signal);
}

/** What came of it; where nothing did, what was asked for. */
function nameOf({ result, options }) {
  if (result?.path) return result.path.split("/").pop();
  return options?.effort ? t(`train.choices.${options.effort}.title`) : "";
}

function choice(name, isFirst) {
  return make(
    "label",
    { class: "choice" },
    make("input", { type: "radio", name: "effort", value: name, checked: isFirst }),
    make("span", { class: "choice-dot" }, icon("check")),
    make("strong", { text: t(`train.choices.${name}.title`) }),
    make("span", { class: "faint", text: t(`train.choices.${name}.text`) }),
    make("span", { class: "choice-time small-text", text: t(`train.choices.${name}.time`) }),
  );
}
