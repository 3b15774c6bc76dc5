// All that the page says, from texts.json; a translation is another file of the same keys.

let texts = {};
const LANGUAGE = document.documentElement.lang || "en";
const plurals = new Intl.PluralRules(LANGUAGE);
const numbers = new Intl.NumberFormat(LANGUAGE);

export async function loadTexts() {
  texts = await (await fetch("/static/texts.json")).json();
}

/**
 * Return the text of this key, filled in. A text of several forms ("one", "other") is chosen
 * by `values.count`. Numbers are written as the language does.
 * @param {string} key dotted, as "photos.chosen"
 * @param {Record<string, string | number>} [values]
 * @returns {string}
 */
export function t(key, values = {}) {
  let found = key.split(".").reduce((at, part) => at?.[part], texts);
  if (found && typeof found === "object") {
    found = found[plurals.select(Number(values.count))] ?? found.other;
  }
  if (typeof found !== "string") return key;
  return found.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined || value === null) return whole;
    return typeof value === "number" ? numbers.format(value) : value;
  });
}

export const number = (n) => numbers.format(n);

/** A share in whole percent; near the ends with a digit more, and never "100%" for less. */
export function percent(share) {
  if (share === null || share === undefined) return "–";
  const rounded = Math.round(1000 * share) / 10;
  const digits = rounded > 99 || rounded < 1 ? 1 : 0;
  const bounded = share < 1 ? Math.min(rounded, 99.9) : rounded;
  return `${numbers.format(Number(bounded.toFixed(digits)))}%`;
}

/** Seconds in words: "20 s", "3 min", "1 h 10 min". */
export function duration(seconds) {
  if (seconds < 90) return t("units.seconds", { n: Math.max(1, Math.round(seconds)) });
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return t("units.minutes", { n: minutes });
  return t("units.hours", { h: Math.floor(minutes / 60), m: minutes % 60 });
}

export function bytes(size) {
  if (size < 1e6) return t("units.kb", { n: Math.max(1, Math.round(size / 1e3)) });
  return t("units.mb", { n: Number((size / 1e6).toPrecision(3)) });
}

/** @param {number} when seconds since 1970 */
export function ago(when) {
  const seconds = Date.now() / 1000 - when;
  return seconds < 60 ? t("units.now") : t("units.ago", { span: duration(seconds) });
}
