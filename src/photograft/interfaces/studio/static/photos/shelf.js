// The shelf that is open: its photos, kept up with the server without moving them under the hand.

import { get, post } from "../core/api.js";
import { attempt, say } from "../core/messages.js";
import { state } from "../core/store.js";
import { percent, t } from "../core/texts.js";

/** Changes that the server has not answered yet: what is undone comes after them. */
let underWay = Promise.resolve();

/** @typedef {{name?: string, kind?: string}} Where a class, or "unlabelled", "excluded", "all" */

export class Shelf {
  /** @type {Where} */
  where = { kind: "all" };
  order = "name";
  /** The order that the server could give. */
  orderGiven = "";
  revision = -1;
  /** Whether the server would order the photos in another way by now. */
  hasNewOrder = false;
  /** @type {Map<string, {name: string, label: string | null, guess: [string, number] | null, answer?: string}>} */
  rows = new Map();
  pending = 0;
  turn = 0;

  /** @param {import("./selection.js").Selection} selection @param {() => void} changed */
  constructor(selection, changed) {
    this.selection = selection;
    this.changed = changed;
  }

  /** Open another shelf. @param {Where} where @param {string} order */
  async open(where, order) {
    Object.assign(this, { where, order, orderGiven: "", hasNewOrder: false, revision: -1 });
    await this.load(false);
  }

  /** Ask for the photos; `keepsOrder` leaves those that are shown where they are. */
  async load(keepsOrder) {
    const turn = ++this.turn;
    const found = await attempt(() => get("/api/shelf", { ...this.where, order: this.order }));
    if (!found || turn !== this.turn || this.pending) return;
    // The first good order is taken at once, where nobody has begun with the one by name.
    const isFirst = this.orderGiven !== this.order && found.order === this.order && this.selection.cursor < 0;
    this.revision = found.revision;
    this.orderGiven = found.order;
    const labels = found.labels ?? [];
    this.rows = new Map(
      found.ids.map((id, i) => [
        id,
        {
          name: found.names[i],
          label: labels[i] ?? this.where.name ?? null,
          guess: found.guesses?.[i] ?? null,
          answer: found.answers?.[id],
        },
      ]),
    );
    const ids = keepsOrder && !isFirst ? this.keep(found.ids) : found.ids;
    this.hasNewOrder = ids !== found.ids && ids.some((id, i) => id !== found.ids[i]);
    this.selection.setIds(ids);
    this.changed();
  }

  /** The photos in the order that is shown; new ones last. */
  keep(ids) {
    const there = new Set(ids);
    const old = this.selection.ids.filter((id) => there.has(id));
    const had = new Set(old);
    return [...old, ...ids.filter((id) => !had.has(id))];
  }

  /** The project is at this revision now. @param {number} revision */
  follow(revision) {
    if (!this.pending && this.revision >= 0 && revision !== this.revision) this.load(true);
  }

  /** What is said of a photo on its tile. @param {number} place @returns {import("./grid.js").Tile} */
  describe(place) {
    const row = this.rows.get(this.selection.ids[place]);
    if (!row) return { label: "" };
    const { name, label, guess, answer } = row;
    const words = [name];
    if (this.where.kind) words.push(label ?? t("photos.unlabelled"));
    if (guess) words.push(t("photos.guess_words", { label: guess[0], share: percent(guess[1]) }));
    const doubt = guess && label && guess[0] !== label ? t("photos.doubt", { label: guess[0] }) : "";
    const isAll = this.where.kind === "all";
    const badge = label ? (isAll ? label : doubt) : guess?.[0];
    return {
      label: words.join(", "),
      badge: badge || undefined,
      sure: guess && badge && badge !== label ? guess[1] : 0,
      mark: answer ? t(`photos.answers.${answer}`) : isAll && doubt ? doubt : undefined,
    };
  }

  /** Whether photos stay on this shelf with that label. */
  holds(label, excluded) {
    const { name, kind } = this.where;
    if (kind === "all") return true;
    if (kind === "excluded") return excluded;
    return !excluded && (kind === "unlabelled" ? label === null : label === name);
  }

  /** Put photos on a shelf; `null` takes their label away. @param {string[]} ids @param {string | null} label */
  async label(ids, label) {
    const isKnown = label === null || state.project?.classes.some(({ name }) => name === label);
    await this.change(ids, label, false, async () => {
      if (!isKnown) await post("/api/classes", { action: "create", name: label });
      return post("/api/label", { ids, label });
    });
  }

  /** Leave photos out of everything, or take them in again. */
  exclude(ids, excluded) {
    return this.change(ids, null, excluded, () => post("/api/exclude", { ids, excluded }));
  }

  group(ids, group) {
    return this.change([], null, false, () => post("/api/group", { ids, group }));
  }

  /** Show a change at once, then ask for it; where it fails, show what is. */
  async change(ids, label, excluded, ask) {
    const before = this.revision;
    const going = new Set(this.holds(label, excluded) ? [] : ids);
    for (const id of ids) {
      const row = this.rows.get(id);
      if (row && !excluded) row.label = label;
    }
    if (going.size) {
      const first = this.selection.ids.findIndex((id) => going.has(id));
      const left = this.selection.ids.filter((id) => !going.has(id));
      for (const id of going) this.rows.delete(id);
      this.selection.setIds(left);
      this.selection.settle(first);
    }
    this.changed();
    this.pending++;
    const doing = attempt(ask);
    underWay = Promise.all([underWay, doing]);
    const done = await doing;
    this.pending--;
    if (done) say(done.what, { action: t("photos.undo"), act: () => undo() });
    if (done && done.revision === before + 1) this.revision = done.revision;
    else if (!this.pending) await this.load(Boolean(done));
  }
}

/** Take back what was done last; not what another tab has done since. */
export async function undo() {
  await underWay;
  const done = await attempt(() => post("/api/undo", { revision: state.revision }));
  if (done) say(done.what, { action: t("photos.redo"), act: () => redo() });
}

export async function redo() {
  await underWay;
  const done = await attempt(() => post("/api/redo", { revision: state.revision }));
  if (done) say(done.what);
}
