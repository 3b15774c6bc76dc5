// What the classifier answers by its rules, and tables of answers.

/**
 * Return the answer for probabilities and a score: as `Rules` and `row_of` have it; or what a server
 * has `said`, where the rules are those that it was asked for.
 */
function answerOf({ probabilities, oodScore, said }, classNames, rules) {
  let best = 0;
  probabilities.forEach((p, i) => {
    if (p > probabilities[best]) best = i;
  });
  const label = said?.label ?? classNames[best];
  const probability = probabilities[best];
  let kind = "class";
  if (said && rules.are_asked) {
    kind = said.kind;
  } else if (rules.ood_threshold !== null && oodScore !== null && oodScore > rules.ood_threshold) {
    kind = "unknown";
  } else if (rules.confidence !== null && probability < rules.confidence) {
    kind = "unsure";
  }
  const order = probabilities.map((_, i) => i).sort((a, b) => probabilities[b] - probabilities[a]);
  return { label, probability, kind, order };
}

// A spreadsheet would run a cell that begins like a formula: it gets an apostrophe before it.
const STARTS_FORMULA = /^[\t\r\n ]*[=+\-@＝＋－＠]/;
const HARMLESS = /^[+-]?(\d+([.,]\d+)?)?$/;

function cellOf(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const safe = STARTS_FORMULA.test(value) && !HARMLESS.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

const sixDigits = (value) => (value === null ? null : Number(value.toFixed(6)));

/** Return answers as a table: the names of its columns, and rows. */
function tableOf(rows, classNames, rules, texts) {
  const answers = rules.ood_threshold !== null || rules.confidence !== null;
  const columns = ["file", "error", "label", "probability", "ood_score"];
  if (answers) columns.push("answer");
  if (rules.has_sets) columns.push("classes");
  const header = columns.map((name) => texts.columns[name]);
  header.push(...classNames.map((label) => texts.columns.of.replace("{label}", () => label)));
  const cells = rows.map(({ name, error, answer, probabilities, oodScore, classes }) => {
    const known = {
      file: name,
      error: error ?? null,
      label: answer?.label,
      probability: answer ? sixDigits(answer.probability) : null,
      ood_score: answer ? sixDigits(oodScore) : null,
      answer: answer && (answer.kind === "class" ? answer.label : answer.kind),
      classes: classes?.join(" | "),
    };
    const each = classNames.map((_, i) => (answer ? sixDigits(probabilities[i]) : null));
    return [...columns.map((column) => known[column]), ...each];
  });
  return { header, cells };
}

/** Return a table as the text of a CSV file that spreadsheets read as UTF-8. */
function csvOf({ header, cells }) {
  return `\ufeff${[header, ...cells].map((row) => row.map(cellOf).join(",")).join("\r\n")}\r\n`;
}
