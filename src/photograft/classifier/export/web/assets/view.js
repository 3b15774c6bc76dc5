// What is shown: pieces of the page, made of text alone, so that no name can be markup.

const byId = (id) => document.getElementById(id);

function make(tag, kind, ...children) {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Fill in what stands in braces. */
function filled(text, values = {}) {
  return text.replace(/\{(\w+)\}/g, (whole, key) => (key in values ? String(values[key]) : whole));
}

const numbered = (n) => n.toLocaleString("en");

/** A probability for people: no head is ever certain. */
function percent(p) {
  const bounded = Math.min(Math.max(p, 0.001), 0.999);
  return `${(100 * bounded).toFixed(1)}%`;
}

/** A share that somebody chose. */
const roundPercent = (share) => `${Number((100 * share).toFixed(2))}%`;

const BARS = 5;

/** The most probable classes as bars. */
function barsOf(answer, probabilities, classNames, texts) {
  const list = make("ul", "bars");
  list.setAttribute("aria-label", texts.answer.bars);
  const shown = classNames.length <= BARS + 1 ? classNames.length : BARS;
  for (const i of answer.order.slice(0, shown)) {
    const filling = make("span");
    filling.style.width = `${100 * probabilities[i]}%`;
    const bar = make("div", "bar", filling);
    bar.setAttribute("aria-hidden", "true");
    const share = make("span", "share", percent(probabilities[i]));
    list.append(make("li", "", make("span", "", classNames[i]), share, bar));
  }
  const others = classNames.length - shown;
  if (others) list.append(make("li", "more", filled(texts.answer.others, { count: numbered(others) })));
  return list;
}

/** What is said of a photo, in words. */
function saidOf({ answer, oodScore }, rules, texts) {
  const { kind, label } = answer;
  if (kind === "class") return [make("p", "said", label)];
  const badge = make("span", "badge", texts.answer[kind]);
  const notes = [filled(texts.answer[`${kind}_note`], { label })];
  if (kind === "unknown") {
    const [score, limit] = [oodScore, rules.ood_threshold].map((x) => x.toFixed(2).replace("-", "−"));
    notes.push(filled(texts.answer.score, { score, limit }));
  }
  return [make("p", "said", badge), make("p", "note", notes.join(" "))];
}

/** The classes that may be right, where they are told. */
function setOf({ classes }, texts) {
  if (!classes) return [];
  return [make("p", "note", filled(texts.answer.classes, { classes: classes.join(", ") }))];
}

/** The training photos that are most like a photo. */
function nearOf(likeness, neighbours, classNames, texts) {
  if (!neighbours || !likeness) return [];
  const order = likeness.map((_, i) => i).sort((a, b) => likeness[b] - likeness[a]);
  const items = order.slice(0, neighbours.shown).map((i) => {
    const image = make("img");
    image.alt = "";
    image.src = `data:image/jpeg;base64,${neighbours.pictures[i]}`;
    const label = classNames[neighbours.labels[i]];
    return Object.assign(make("li", "", image, label), { title: label });
  });
  return [make("p", "near-title", texts.answer.near), make("ul", "near", ...items)];
}

/** The card of a photo. */
function cardOf(row, rules, facts) {
  const { texts, class_names: classNames } = facts;
  let picture = make("span", "photo gone");
  if (row.address) {
    picture = make("img", "photo");
    picture.alt = "";
    picture.src = row.address;
  }
  const name = make("p", "name", make("bdi", "", row.name));
  if (row.error) return make("li", "", picture, name, make("p", "said error", row.error));
  return make(
    "li",
    "",
    picture,
    name,
    ...saidOf(row, rules, texts),
    ...setOf(row, texts),
    barsOf(row.answer, row.probabilities, classNames, texts),
    ...nearOf(row.likeness, facts.neighbours, classNames, texts),
  );
}

/** A row of the table of answers. */
function tableRowOf(cells) {
  const line = make("tr");
  cells.forEach((value, i) => {
    const cell = make(i ? "td" : "th", typeof value === "number" ? "num" : "");
    if (!i) cell.scope = "row";
    cell.textContent = value ?? "";
    line.append(cell);
  });
  return line;
}
