// What the page knows, and who wants to hear when it changes.

/**
 * @typedef {object} State
 * @property {any} project what `GET /api/project` says
 * @property {any} live the live classifier
 * @property {any} jobs what is under way, waits and is done
 * @property {any} online whether the server answers
 * @property {number} health counts up when findings change
 * @property {number} run counts up when there is another run
 * @property {number} revision the latest of the project that this page has seen or made
 */

/** @type {State} */
export const state = { project: null, live: null, jobs: null, online: true, health: 0, run: 0, revision: 0 };

/** @type {Map<string, Set<(value: any) => void>>} */
const watchers = new Map();

/** The project is at this revision, as far as this page knows. @param {number | undefined} revision */
export function saw(revision) {
  if (revision > state.revision) state.revision = revision;
}

/** @param {keyof State} key @param {any} value */
export function put(key, value) {
  state[key] = value;
  for (const use of [...(watchers.get(key) ?? [])]) use(value);
}

/**
 * Call `use` now, where there is a value, and whenever it changes; ends with the signal.
 * @param {keyof State} key @param {(value: any) => void} use @param {AbortSignal} [signal]
 */
export function watch(key, use, signal) {
  const all = watchers.get(key) ?? new Set();
  watchers.set(key, all.add(use));
  signal?.addEventListener("abort", () => all.delete(use));
  if (state[key] !== null) use(state[key]);
}
