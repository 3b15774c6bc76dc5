// A shelf of any length: only what is seen is drawn, in nodes that are used again and again.

import { icon, make, styled } from "../core/dom.js";
import { thumb } from "../core/api.js";

const GAP = 10;
const EDGE = 20;
/** Rows drawn above and below what is seen. */
const SPARE = 2;
/** Faster than so many heights of the window a frame, pictures wait until it settles. */
const FAST = 0.75;
const SETTLED = 90;

/**
 * @typedef {object} Tile what is said of a photo
 * @property {string} label for screen readers
 * @property {string} [badge] shown on the picture
 * @property {number} [sure] 0 to 1, how full the badge's bar is
 * @property {string} [mark] shown in the other corner
 */

export class Grid {
  /** @type {Map<number, any>} nodes by their place */
  drawn = new Map();
  /** @type {any[]} nodes to use again */
  spare = [];
  size = 160;
  columns = 1;
  side = 160;
  edge = EDGE;
  lastTop = 0;
  isAsked = false;

  /**
   * @param {import("./selection.js").Selection} selection
   * @param {(place: number) => Tile} describe
   * @param {AbortSignal} signal
   */
  constructor(selection, describe, signal) {
    this.selection = selection;
    this.describe = describe;
    this.sheet = make("div", { class: "grid-sheet", role: "presentation" });
    this.element = make(
      "div",
      { class: "grid", role: "listbox", "aria-multiselectable": "true", tabindex: "0" },
      this.sheet,
    );
    this.element.addEventListener("scroll", () => this.ask(), { passive: true });
    const seen = new ResizeObserver(() => this.measure());
    seen.observe(this.element);
    signal.addEventListener("abort", () => {
      seen.disconnect();
      clearTimeout(this.settling);
      for (const node of this.drawn.values()) node.picture.removeAttribute("src");
    });
    selection.onChange(() => this.ask());
  }

  /** @param {number} size about how wide a picture is, in pixels */
  setSize(size) {
    this.size = size;
    const first = this.firstSeen();
    this.measure();
    this.element.scrollTop = Math.floor(first / this.columns) * this.pitch;
  }

  /** Take the shelf's photos as they are now: all is drawn anew. */
  refresh() {
    for (const [place, node] of this.drawn) this.release(place, node);
    this.measure();
  }

  get pitch() {
    return this.side + GAP;
  }

  measure() {
    const width = this.element.clientWidth;
    if (!width) return;
    this.edge = width < 600 ? 10 : EDGE;
    const room = width - 2 * this.edge;
    this.columns = Math.max(2, Math.floor((room + GAP) / (this.size + GAP)));
    this.side = Math.floor((room - GAP * (this.columns - 1)) / this.columns);
    const rows = Math.ceil(this.selection.ids.length / this.columns);
    styled(this.sheet, { height: `${rows * this.pitch + 2 * this.edge + 80}px` });
    for (const [place, node] of this.drawn) this.place(place, node);
    this.ask();
  }

  /** Draw before the next frame. */
  ask() {
    if (this.isAsked) return;
    this.isAsked = true;
    requestAnimationFrame(() => {
      this.isAsked = false;
      this.paint();
    });
  }

  paint() {
    const { scrollTop, clientHeight } = this.element;
    const isFast = Math.abs(scrollTop - this.lastTop) > FAST * clientHeight;
    this.lastTop = scrollTop;
    const first = Math.max(0, Math.floor((scrollTop - this.edge) / this.pitch) - SPARE) * this.columns;
    const rows = Math.ceil(clientHeight / this.pitch) + 2 * SPARE + 1;
    const end = Math.min(this.selection.ids.length, first + rows * this.columns);
    for (const [place, node] of this.drawn) {
      if (place < first || place >= end || node.photo !== this.selection.ids[place]) this.release(place, node);
    }
    for (let place = first; place < end; place++) {
      const node = this.drawn.get(place) ?? this.take(place);
      this.mark(place, node);
      if (!isFast) this.load(node);
    }
    clearTimeout(this.settling);
    if (isFast) this.settling = setTimeout(() => this.ask(), SETTLED);
    const at = this.drawn.get(this.selection.cursor);
    if (at) this.element.setAttribute("aria-activedescendant", at.id);
    else this.element.removeAttribute("aria-activedescendant");
  }

  /** Put a photo into a node. */
  take(place) {
    const node = this.spare.shift() ?? newNode(); // in their order: so that readers meet them in it
    node.photo = this.selection.ids[place];
    node.id = `photo-${place}`;
    node.dataset.place = String(place);
    node.setAttribute("aria-setsize", String(this.selection.ids.length));
    node.setAttribute("aria-posinset", String(place + 1));
    this.tell(place, node);
    this.place(place, node);
    if (node.parentNode !== this.sheet) this.sheet.append(node);
    node.hidden = false;
    this.drawn.set(place, node);
    return node;
  }

  tell(place, node) {
    const { label, badge, sure, mark } = this.describe(place);
    node.setAttribute("aria-label", label);
    node.badge.hidden = !badge;
    node.badge.firstChild.textContent = badge ?? "";
    styled(node.badge, { "--sure": `${100 * (sure ?? 0)}%` });
    node.mark.hidden = !mark;
    node.mark.textContent = mark ?? "";
  }

  /** Say anew what is known of the photos that are seen. */
  retell() {
    for (const [place, node] of this.drawn) this.tell(place, node);
  }

  release(place, node) {
    this.drawn.delete(place);
    node.picture.removeAttribute("src"); // ends what is still under way
    node.classList.remove("here");
    node.photo = "";
    node.hidden = true;
    this.spare.push(node);
  }

  place(place, node) {
    const x = this.edge + (place % this.columns) * this.pitch;
    const y = this.edge + Math.floor(place / this.columns) * this.pitch;
    styled(node, { width: `${this.side}px`, height: `${this.side}px`, transform: `translate(${x}px, ${y}px)` });
  }

  mark(place, node) {
    const isChosen = this.selection.has(place);
    if (node.getAttribute("aria-selected") !== String(isChosen)) node.setAttribute("aria-selected", String(isChosen));
    node.classList.toggle("cursor", place === this.selection.cursor);
  }

  load(node) {
    if (node.picture.hasAttribute("src")) return;
    const size = this.side * devicePixelRatio > 200 ? 320 : 160;
    node.picture.src = thumb(node.photo, size);
  }

  firstSeen() {
    return Math.max(0, Math.round((this.element.scrollTop - this.edge) / this.pitch)) * this.columns;
  }

  /** Rows that fit: what Page Down moves by. */
  get page() {
    return Math.max(1, Math.floor(this.element.clientHeight / this.pitch)) * this.columns;
  }

  /** Scroll so that this photo is seen. */
  reveal(place) {
    const top = this.edge + Math.floor(place / this.columns) * this.pitch;
    const { scrollTop, clientHeight } = this.element;
    if (top - GAP < scrollTop) this.element.scrollTop = top - this.edge;
    else if (top + this.pitch > scrollTop + clientHeight) {
      this.element.scrollTop = top + this.pitch + GAP - clientHeight;
    }
  }

  /** Where a point of the sheet is: the sheet's own coordinates. */
  pointOf({ clientX, clientY }) {
    const box = this.element.getBoundingClientRect();
    return { x: clientX - box.left, y: clientY - box.top + this.element.scrollTop };
  }

  /** The places of the photos that a rectangle of the sheet touches. @returns {number[]} */
  within(left, top, right, bottom) {
    const span = (from, to, limit) => {
      const first = Math.max(0, Math.floor((from - this.edge + GAP) / this.pitch));
      const last = Math.min(limit - 1, Math.floor((to - this.edge) / this.pitch));
      return [first, last];
    };
    const [left0, right0] = span(left, right, this.columns);
    const [top0, bottom0] = span(top, bottom, Math.ceil(this.selection.ids.length / this.columns));
    const places = [];
    for (let row = top0; row <= bottom0; row++) {
      for (let column = left0; column <= right0; column++) {
        const place = row * this.columns + column;
        if (place < this.selection.ids.length) places.push(place);
      }
    }
    return places;
  }
}

function newNode() {
  const picture = make("img", { alt: "", draggable: "false", decoding: "async" });
  const badge = make("span", { class: "tile-badge" }, make("span"));
  const mark = make("span", { class: "tile-mark" });
  const check = make("span", { class: "tile-check" }, icon("check"));
  const node = make("div", { class: "tile", role: "option" }, picture, badge, mark, check);
  picture.addEventListener("load", () => node.classList.add("here"));
  return Object.assign(node, { picture, badge, mark });
}
