// Mouse and touch on the shelf: choose, draw a lasso, drag photos to another shelf.

import { thumb } from "../core/api.js";
import { make, styled } from "../core/dom.js";
import { number } from "../core/texts.js";

/** So far does a press move before it is a drag. */
const SLACK = 6;
const LONG = 500;
/** Within so many pixels of the edge the shelf scrolls by itself. */
const RIM = 40;

/**
 * @param {import("./grid.js").Grid} grid
 * @param {import("./selection.js").Selection} selection
 * @param {{open: (place: number) => void, drop: (ids: string[], target: HTMLElement) => void}} acts
 * @param {AbortSignal} signal
 */
export function listenToPointers(grid, selection, { open, drop }, signal) {
  const { element } = grid;
  let held = 0;

  element.addEventListener("pointerdown", (event) => {
    if (event.button || event.target === element && event.offsetX > element.clientWidth) return;
    const place = placeOf(event.target);
    if (event.pointerType === "touch") return touch(event, place);
    if (place < 0 || event.shiftKey) lassoFrom(event, place);
    else dragFrom(event, place);
  });
  element.addEventListener("dblclick", (event) => {
    const place = placeOf(event.target);
    if (place >= 0) open(place);
  });

  /** A tap chooses or unchooses, a long press opens; moving is scrolling. */
  function touch(event, place) {
    if (place < 0) return;
    let isLong = false;
    clearTimeout(held);
    held = setTimeout(() => {
      isLong = true;
      open(place);
    }, LONG);
    const stop = () => clearTimeout(held);
    const end = new AbortController();
    const once = { signal: AbortSignal.any([signal, end.signal]) };
    element.addEventListener("pointercancel", () => (stop(), end.abort()), once);
    element.addEventListener("pointerup", () => {
      stop();
      end.abort();
      if (!isLong) selection.toggle(place);
    }, once);
  }

  function click(event, place) {
    if (event.shiftKey && place >= 0) selection.range(place, event.ctrlKey || event.metaKey);
    else if (place < 0) selection.none();
    else if (event.ctrlKey || event.metaKey) selection.toggle(place);
    else selection.only(place);
  }

  /** Follow the pointer until it is let go. */
  function follow(event, { start, move, end }) {
    const from = { x: event.clientX, y: event.clientY };
    const over = new AbortController();
    const options = { signal: AbortSignal.any([signal, over.signal]) };
    let isMoving = false;
    const finish = (last, isKept) => {
      over.abort();
      if (isMoving) end(last, isKept);
      else if (isKept) click(last, placeOf(event.target));
    };
    addEventListener("pointermove", (next) => {
      if (!isMoving && Math.hypot(next.clientX - from.x, next.clientY - from.y) < SLACK) return;
      if (!isMoving) start();
      isMoving = true;
      move(next);
    }, options);
    addEventListener("pointerup", (last) => finish(last, true), options);
    addEventListener("pointercancel", (last) => finish(last, false), options);
    addEventListener("keydown", (key) => {
      if (key.key !== "Escape" || !isMoving) return;
      key.stopPropagation();
      finish(event, false);
    }, { ...options, capture: true });
  }

  function lassoFrom(event, _place) {
    const keeps = event.shiftKey || event.ctrlKey || event.metaKey;
    const before = new Set(keeps ? selection.chosen : []);
    const from = grid.pointOf(event);
    const shape = make("div", { class: "lasso" });
    let last = event;
    let scrolling = 0;
    const update = () => {
      const to = grid.pointOf(last);
      const [left, right] = [Math.min(from.x, to.x), Math.max(from.x, to.x)];
      const [top, bottom] = [Math.min(from.y, to.y), Math.max(from.y, to.y)];
      styled(shape, {
        transform: `translate(${left}px, ${top}px)`,
        width: `${right - left}px`,
        height: `${bottom - top}px`,
      });
      selection.lasso(before, grid.within(left, top, right, bottom));
    };
    const scroll = () => {
      const box = element.getBoundingClientRect();
      const above = Math.max(0, box.top + RIM - last.clientY);
      const below = Math.max(0, last.clientY - box.bottom + RIM);
      if (above || below) {
        element.scrollTop += (below - above) / 2;
        update();
      }
      scrolling = requestAnimationFrame(scroll);
    };
    follow(event, {
      start: () => {
        grid.sheet.append(shape);
        scroll();
      },
      move: (next) => {
        last = next;
        update();
      },
      end: () => {
        cancelAnimationFrame(scrolling);
        shape.remove();
      },
    });
  }

  function dragFrom(event, place) {
    let ghost = null;
    let target = null;
    const aim = (next) => {
      const found = document.elementFromPoint(next?.clientX ?? -1, next?.clientY ?? -1)?.closest("[data-drop]") ?? null;
      if (found === target) return;
      target?.classList.remove("aimed");
      found?.classList.add("aimed");
      target = found;
    };
    follow(event, {
      start: () => {
        if (!selection.has(place)) selection.only(place);
        ghost = ghostOf(selection.list());
        document.body.append(ghost);
        document.body.classList.add("dragging");
      },
      move: (next) => {
        styled(ghost, { transform: `translate(${next.clientX + 12}px, ${next.clientY + 12}px)` });
        aim(next);
      },
      end: (_last, isKept) => {
        ghost.remove();
        document.body.classList.remove("dragging");
        const onto = target;
        aim(null);
        if (isKept && onto) drop(selection.list(), onto);
      },
    });
  }
}

/** What follows the pointer: the first few photos as a pile, and how many they are. */
function ghostOf(ids) {
  const pile = ids.slice(0, 3).map((id) => make("img", { src: thumb(id), alt: "" }));
  return make("div", { class: "ghost", "aria-hidden": "true" }, ...pile, make("span", { text: number(ids.length) }));
}

function placeOf(target) {
  const tile = target.closest?.(".tile");
  return tile ? Number(tile.dataset.place) : -1;
}
