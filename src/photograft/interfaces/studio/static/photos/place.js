// The place of photos: shelves at the side, the open one in the middle.

import { make } from "../core/dom.js";
import { announce } from "../core/messages.js";
import { query, setQuery } from "../core/router.js";
import { state, watch } from "../core/store.js";
import { t } from "../core/texts.js";
import { savedSize, scanningBar, selectionBar, topBar } from "./bars.js";
import { bringingBar, ways } from "./bring.js";
import { saveFolders } from "./folder_dialog.js";
import { listenToPointers } from "./gestures.js";
import { Grid } from "./grid.js";
import { listenToKeys } from "./keyboard.js";
import { liveCard } from "./live_card.js";
import { recorder } from "./recorder.js";
import { Selection } from "./selection.js";
import { Shelf } from "./shelf.js";
import { Shelves } from "./shelves.js";
import { openViewer } from "./viewer.js";

/** @param {HTMLElement} root @param {AbortSignal} signal */
export function open(root, signal) {
  let drawn = null;
  let learned = "";
  const selection = new Selection();
  const shelf = new Shelf(selection, shown);
  const grid = new Grid(selection, (place) => shelf.describe(place), signal);
  grid.size = savedSize();
  const shelves = new Shelves(openShelf);
  const bringing = ways(() => shelf.where.name ?? null, openCamera, signal);
  const top = topBar({ reorder, resize: (size) => grid.setSize(size), bring: bringing.menu, save: saveFolders });
  const chosen = selectionBar(selection, { label, exclude, group });
  const scanning = scanningBar();
  const hint = make("div", { class: "shelf-empty", hidden: true });
  const dock = make("div", { class: "dock" });
  const side = make("div", { class: "side" }, shelves.element, liveCard(signal));
  const middle = make("div", { class: "middle" }, bringingBar(signal), scanning.element, dock, top.element, hint, grid.element, chosen.element);
  const empty = bringing.empty();
  root.append(side, middle, empty, ...bringing.fields);

  listenToPointers(grid, selection, { open: view, drop }, signal);
  listenToKeys(grid, selection, { open: view, label, exclude: () => exclude(true) }, signal);
  selection.onChange(() => state.project && chosen.show(shelf));
  watch("project", follow, signal);
  watch("live", (live) => {
    const now = JSON.stringify([live.num_labelled, live.accuracy, live.looked?.done]);
    if (live.state !== "ready" || now === learned) return;
    learned = now;
    if (shelf.revision >= 0 && !shelf.pending) shelf.load(true);
  }, signal);

  function follow(project) {
    const isEmpty = !project.num_photos && !project.scanning && !project.classes.length;
    root.classList.toggle("is-empty", isEmpty && !dock.childElementCount);
    scanning.show(project);
    if (shelf.turn === 0) {
      const where = whereOf(project);
      shelf.open(where, query().get("order") ?? orderOf(where));
    } else if (shelf.where.name !== undefined && !project.classes.some(({ name }) => name === shelf.where.name)) {
      openShelf({ kind: "all" }); // another tab renamed or removed it
    } else shelf.follow(project.revision);
    shown();
  }

  function openShelf(where) {
    setQuery({ shelf: where.name ?? null, kind: where.kind ?? null, order: null });
    selection.none();
    selection.cursor = -1;
    grid.element.scrollTop = 0;
    shelf.open(where, orderOf(where));
    shown();
    announce(t("photos.opened", { name: where.name ?? t(`photos.kinds.${where.kind}`) }));
  }

  /** @param {string} order empty for the same again */
  function reorder(order) {
    if (order) setQuery({ order });
    grid.element.scrollTop = 0;
    shelf.open(shelf.where, order || shelf.order);
  }

  function shown() {
    const { project } = state;
    if (!project) return;
    if (drawn === selection.ids) grid.retell();
    else grid.refresh();
    drawn = selection.ids;
    shelves.show(project, shelf.where);
    top.show(shelf, project);
    chosen.show(shelf);
    const name = shelf.where.name ?? t(`photos.kinds.${shelf.where.kind}`);
    grid.element.setAttribute("aria-label", t("photos.grid", { name }));
    const isBare = shelf.revision >= 0 && !selection.ids.length;
    grid.element.hidden = isBare;
    hint.hidden = !isBare || !project.num_photos;
    const kind = shelf.where.name === undefined ? shelf.where.kind : "class";
    hint.replaceChildren(make("h2", { text: t(`photos.bare.${kind}.title`, { name }) }), make("p", { class: "faint", text: t(`photos.bare.${kind}.text`, { name }) }));
  }

  function label(to, ids = selection.list()) {
    if (ids.length) shelf.label(ids, to);
  }

  function exclude(excluded) {
    shelf.exclude(selection.list(), excluded);
  }

  function group() {
    shelf.group(selection.list(), `together-${Date.now().toString(36)}`);
  }

  function drop(ids, target) {
    const { drop: kind, label: to } = target.dataset;
    if (kind === "label") label(to, ids);
    else if (kind === "unlabel") label(null, ids);
    else shelf.exclude(ids, true);
  }

  function view(place) {
    selection.only(place);
    openViewer(selection, {
      label,
      exclude: () => exclude(true),
      closed: () => {
        grid.element.focus();
        if (selection.cursor >= 0) grid.reveal(selection.cursor);
      },
    });
  }

  function openCamera() {
    if (dock.childElementCount) return;
    dock.append(recorder(signal, () => follow(state.project)));
    follow(state.project);
  }
}

/** The shelf of the address; else the one where there is something to do. */
function whereOf(project) {
  const name = query().get("shelf");
  const kind = query().get("kind");
  if (name !== null && project.classes.some((one) => one.name === name)) return { name };
  if (kind !== null && ["unlabelled", "excluded", "all"].includes(kind)) return { kind };
  if (project.num_unlabelled) return { kind: "unlabelled" };
  return { kind: "all" };
}

const orderOf = (where) => (where.kind === "unlabelled" ? "useful" : "name");
