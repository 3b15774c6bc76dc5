// Pieces of the page. Text goes in as text, so that no name of a file or a class can be markup.

/**
 * @typedef {object} Props
 * @property {string} [class]
 * @property {string} [text]
 * @property {Record<string, (event: any) => void>} [on] listeners by the events' names
 * @property {Record<string, string>} [data]
 * @property {Record<string, string>} [style] set one by one: the policy forbids style attributes
 */

/**
 * Make an element; other properties than those above become attributes, `true` an empty one,
 * and `false`, `null` or nothing none at all.
 * @param {string} tag
 * @param {Props & Record<string, any>} [props]
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {any}
 */
export function make(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key === "class") element.className = value;
    else if (key === "text") element.textContent = value;
    else if (key === "on") listenAll(element, value);
    else if (key === "data") Object.assign(element.dataset, value);
    else if (key === "style") styled(element, value);
    else if (value === true) element.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function listenAll(element, listeners) {
  for (const [name, use] of Object.entries(listeners)) element.addEventListener(name, use);
}

/** @param {HTMLElement | SVGElement} element @param {Record<string, string>} values */
export function styled(element, values) {
  for (const [name, value] of Object.entries(values)) element.style.setProperty(name, value);
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

/** Make a piece of a drawing. @returns {any} */
export function draw(tag, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

/** One of the icons of `icons.svg`; what it means is said beside it. */
export function icon(name) {
  const use = draw("use", { href: `/static/icons.svg#${name}` });
  return draw("svg", { class: "icon", "aria-hidden": "true", viewBox: "0 0 24 24" }, use);
}

/**
 * A button. `kind` is "" for the one that matters most, "second", "quiet" or "danger".
 * @param {string} text @param {() => void} act
 * @param {{kind?: string, icon?: string, key?: string} & Record<string, any>} [more]
 * @returns {HTMLButtonElement}
 */
export function button(text, act, { kind = "", icon: picture, key, ...attributes } = {}) {
  return make(
    "button",
    { type: "button", class: `button ${kind}`, on: { click: act }, ...attributes },
    picture && icon(picture),
    make("span", { text }),
    key && make("kbd", { text: key, "aria-hidden": "true" }),
  );
}

/** A button of which only the icon is seen. @returns {HTMLButtonElement} */
export function iconButton(name, label, act, attributes = {}) {
  const props = { type: "button", class: "round", "aria-label": label, title: label, on: { click: act } };
  return make("button", { ...props, ...attributes }, icon(name));
}

export const byId = (id) => document.getElementById(id);

/** Replace what an element holds, but leave it alone where it says the same already. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
