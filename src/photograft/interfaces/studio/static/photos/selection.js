// Which photos are chosen, and where the cursor is. Knows nothing of what is drawn.

export class Selection {
  /** @type {string[]} the photos of the shelf, in their order */
  ids = [];
  /** @type {Set<string>} */
  chosen = new Set();
  /** Where the cursor is; -1 where there is none. */
  cursor = -1;
  anchor = -1;
  /** @type {(() => void)[]} */
  watchers = [];

  /** @param {() => void} use */
  onChange(use) {
    this.watchers.push(use);
  }

  changed() {
    for (const use of this.watchers) use();
  }

  /** Take other photos, or another order; what is chosen and still there stays chosen. @param {string[]} ids */
  setIds(ids) {
    const at = this.ids[this.cursor];
    this.ids = ids;
    const there = new Set(ids);
    this.chosen = new Set([...this.chosen].filter((id) => there.has(id)));
    const found = at === undefined ? -1 : ids.indexOf(at);
    if (found >= 0) this.cursor = found;
    this.cursor = Math.min(this.cursor, ids.length - 1);
    this.anchor = this.cursor;
    this.changed();
  }

  /** Those chosen, in the shelf's order. */
  list() {
    return this.ids.filter((id) => this.chosen.has(id));
  }

  has(place) {
    return this.chosen.has(this.ids[place]);
  }

  only(place) {
    this.chosen = new Set([this.ids[place]]);
    this.cursor = this.anchor = place;
    this.changed();
  }

  toggle(place) {
    const id = this.ids[place];
    if (!this.chosen.delete(id)) this.chosen.add(id);
    this.cursor = this.anchor = place;
    this.changed();
  }

  /** All from the anchor to here; what was chosen besides stays where `adds` says so. */
  range(place, adds = false) {
    const from = this.anchor < 0 ? place : this.anchor;
    const part = this.ids.slice(Math.min(from, place), Math.max(from, place) + 1);
    this.chosen = new Set(adds ? [...this.chosen, ...part] : part);
    this.cursor = place;
    if (this.anchor < 0) this.anchor = place;
    this.changed();
  }

  /** Choose just these, beside what was chosen before. @param {Set<string>} before @param {number[]} places */
  lasso(before, places) {
    this.chosen = new Set(before);
    for (const place of places) this.chosen.add(this.ids[place]);
    if (places.length) this.cursor = this.anchor = places[places.length - 1];
    this.changed();
  }

  all() {
    this.chosen = new Set(this.ids);
    this.changed();
  }

  none() {
    this.chosen = new Set();
    this.changed();
  }

  /** Move the cursor; what it comes to is chosen, all on the way where `extends_` says so. */
  move(place, extends_ = false) {
    if (!this.ids.length) return;
    const to = Math.max(0, Math.min(place, this.ids.length - 1));
    if (extends_) this.range(to);
    else this.only(to);
  }

  /** After photos went from the shelf, the one that came to the cursor's place is chosen. */
  settle(place) {
    if (!this.ids.length) return this.none();
    this.only(Math.min(Math.max(place, 0), this.ids.length - 1));
  }
}
