// One key for each class: figures first, then letters that mean nothing else.

const KEYS = [..."1234567890qwertiopasdfghjklzcvbnm"];

/** The key of the class at this place; empty where there are too many. @param {number} place */
export const keyOf = (place) => KEYS[place] ?? "";

/** The class of a key that was pressed. @param {KeyboardEvent} event @param {{name: string}[]} classes */
export function classOf(event, classes) {
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
  const place = KEYS.indexOf(event.key.toLowerCase());
  return place < 0 ? undefined : classes[place]?.name;
}
