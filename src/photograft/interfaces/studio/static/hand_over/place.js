// Handing over: the classifier for elsewhere, with proof; the report; answers in a table; commands.

import { get } from "../core/api.js";
import { button, icon, make } from "../core/dom.js";
import { announce, attempt, say } from "../core/messages.js";
import { state, watch } from "../core/store.js";
import { bytes, percent, t } from "../core/texts.js";
import { chooseFolder } from "../photos/folder_dialog.js";
import { jobPanel, latest, linkTo, startJob, teach } from "../parts/job.js";

const TARGETS = ["web", "onnx", "openvino"];
const KINDS = ["export", "predict"];

/** @param {HTMLElement} root @param {AbortSignal} signal */
export function open(root, signal) {
  const body = make("div", { class: "hand-over" });
  const head = make("div", { class: "page-head", hidden: true }, make("div", {}, make("h1", { text: t("hand_over.title") }), make("p", { class: "lead", text: t("hand_over.lead") })));
  root.append(make("div", { class: "page" }, head, jobPanel(KINDS, signal), body));
  let turn = 0;

  async function load() {
    const own = ++turn;
    const found = await attempt(() => get("/api/hand-over", {}, signal));
    if (!found || own !== turn || signal.aborted) return;
    head.hidden = !found.run;
    if (!found.run) {
      const isReady = state.project?.classes.length > 1;
      body.replaceChildren(teach("hand-over", "hand_over.none", isReady ? linkTo("/train", t("go.train"), "large") : linkTo("/photos", t("go.photos"), "large")));
      return;
    }
    body.replaceChildren(exportsPanel(found), tablePanel(), commandsPanel(found));
  }

  watch("run", load, signal);
  let seen = "";
  watch("jobs", (jobs) => {
    const now = JSON.stringify([jobs.current?.id, latest(jobs, KINDS)?.id]);
    if (now !== seen) load();
    seen = now;
  }, signal);
}

function exportsPanel({ run, exports, can_export: can, why_not: why }) {
  const cards = TARGETS.map((to) => {
    const done = exports.find((one) => one.to === to);
    const isBusy = [state.jobs?.current, ...(state.jobs?.queue ?? [])].some((job) => job?.kind === "export");
    const act = button(t(done ? "hand_over.export_again" : "hand_over.export"), () => startJob("export", { to }), { kind: done ? "second" : "", disabled: !can || isBusy, "aria-label": t(done ? "hand_over.export_again_to" : "hand_over.export_to", { to: t(`hand_over.to.${to}.title`) }) });
    return make(
      "article",
      { class: done ? "export is-done" : "export" },
      make("h3", { text: t(`hand_over.to.${to}.title`) }),
      make("p", { class: "faint", text: t(`hand_over.to.${to}.text`) }),
      done && certificate(done),
      done && make("p", { class: "export-path" }, make("code", { text: done.path }), make("span", { class: "faint", text: bytes(done.size) })),
      make("div", { class: "buttons" }, act, done?.url && make("a", { class: "button second", href: done.url, target: "_blank", text: t("hand_over.look") }), done && copyButton(done.path, t("hand_over.copy_path"))),
    );
  });
  return make(
    "section",
    { class: "panel", "aria-labelledby": "exports-title" },
    make("div", { class: "panel-head" }, make("h2", { id: "exports-title", text: t("hand_over.exports") }), make("p", { class: "faint figure", text: t("hand_over.of", { name: run.name, accuracy: percent(run.accuracy) }) })),
    !can && make("p", { class: "notice wrong", text: why }),
    make("div", { class: "exports" }, ...cards),
  );
}

/** How far its answers are those of the classifier here, in words; the whole of it is a page. */
function certificate({ sentence, certificate: page, equal_decisions: equal }) {
  const isSame = equal === 1;
  return make(
    "div",
    { class: isSame || equal === null ? "certificate" : "certificate wrong" },
    icon(isSame ? "check" : "copy"),
    make("p", {}, make("span", { text: firstSentence(sentence) || t("hand_over.no_certificate") }), page && make("a", { href: page, target: "_blank", text: t("hand_over.certificate") })),
  );
}

const firstSentence = (text) => (text ?? "").split(/(?<=\.)\s/)[0];

function tablePanel() {
  const done = latest(state.jobs, ["predict"]);
  const choose = () => chooseFolder(t("hand_over.predict"), t("hand_over.predict_this"), (folder) => startJob("predict", { folder }), { hint: t("hand_over.predict_hint") });
  const result = done?.state === "done" && done.result;
  return make(
    "section",
    { class: "panel two", "aria-labelledby": "table-title" },
    make(
      "div",
      {},
      make("h2", { id: "table-title", text: t("hand_over.predict") }),
      make("p", { class: "faint", text: t("hand_over.predict_text") }),
      result && make("p", { class: "export-path" }, make("code", { text: result.path ?? "" }), make("a", { href: `/exports/${encodeURIComponent(result.path.split("/").pop())}`, download: true, text: t("hand_over.download") })),
      result?.words && make("p", { class: "faint small-text", text: result.words }),
      make("div", { class: "buttons" }, button(t("hand_over.predict_choose"), choose, { icon: "folder" })),
    ),
    make(
      "div",
      {},
      make("h2", { text: t("hand_over.report") }),
      make("p", { class: "faint", text: t("hand_over.report_text") }),
      make("div", { class: "buttons" }, make("a", { class: "button second", href: "/run/report.html", target: "_blank", text: t("hand_over.report_open") })),
    ),
  );
}

function commandsPanel({ commands, python }) {
  return make(
    "section",
    { class: "panel", "aria-labelledby": "commands-title" },
    make("h2", { id: "commands-title", text: t("hand_over.commands") }),
    make("p", { class: "faint", text: t("hand_over.commands_text") }),
    ...commands.map(({ what, command }) => snippet(what, command)),
    python && snippet(t("hand_over.python"), python),
  );
}

function snippet(what, text) {
  return make("div", { class: "snippet" }, make("h3", { text: what }), make("pre", { tabindex: "0", role: "region", "aria-label": what }, make("code", { text })), copyButton(text, t("hand_over.copy"), what));
}

function copyButton(text, words, what = "") {
  const control = button(words, async () => {
    try {
      await navigator.clipboard.writeText(text);
      control.lastElementChild.textContent = t("hand_over.copied");
      announce(t("hand_over.copied"));
      setTimeout(() => (control.lastElementChild.textContent = words), 1600);
    } catch {
      say(t("hand_over.copy_failed"), { wrong: true });
    }
  }, { kind: "quiet small", icon: "copy", "aria-label": what ? `${words}: ${what}` : words });
  return control;
}
