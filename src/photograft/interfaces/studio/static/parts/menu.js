// A small menu beside the button that opens it; it closes by itself.

import { icon, make, styled } from "../core/dom.js";

/**
 * @typedef {{text: string, icon?: string, act: () => void, danger?: boolean}} Choice
 * @param {HTMLElement} opener @param {Choice[]} choices
 */
export function openMenu(opener, choices) {
  const menu = make("div", { class: "menu", role: "menu", popover: "auto" });
  for (const { text, icon: picture, act, danger } of choices) {
    const choose = () => {
      menu.hidePopover();
      act();
    };
    menu.append(
      make(
        "button",
        { type: "button", role: "menuitem", class: danger ? "danger" : "", on: { click: choose } },
        picture && icon(picture),
        make("span", { text }),
      ),
    );
  }
  document.body.append(menu);
  menu.addEventListener("toggle", ({ newState }) => {
    if (newState !== "closed") return;
    opener.setAttribute("aria-expanded", "false");
    menu.remove();
  });
  menu.addEventListener("keydown", (event) => step(event, menu));
  opener.setAttribute("aria-expanded", "true");
  menu.showPopover();
  beside(menu, opener);
  menu.querySelector("button").focus();
}

function step(event, menu) {
  const all = [...menu.children];
  const at = all.indexOf(document.activeElement);
  const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1 }[event.key];
  if (event.key === "Tab") menu.hidePopover();
  if (to === undefined) return;
  event.preventDefault();
  all[(to + all.length) % all.length].focus();
}

function beside(menu, opener) {
  const box = opener.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const left = Math.max(8, Math.min(box.left, innerWidth - width - 8));
  const below = box.bottom + 6;
  const top = below + height > innerHeight - 8 ? Math.max(8, box.top - height - 6) : below;
  styled(menu, { left: `${left}px`, top: `${top}px` });
}
