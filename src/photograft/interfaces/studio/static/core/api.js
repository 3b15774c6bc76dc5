// Talking to the studio's server. What goes wrong becomes a `Problem` with a line for people.

import { saw } from "./store.js";
import { t } from "./texts.js";

/** What the server, or its absence, says went wrong. */
export class Problem extends Error {
  /** @param {string} message @param {number} status 0 where there was no answer */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const HEADERS = { "X-Photograft": "studio" };

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(t("errors.gone"), 0);
  }
  if (answer.ok) return answer.json();
  throw new Problem(await detailOf(answer), answer.status);
}

async function detailOf(answer) {
  if (answer.status === 401) return t("errors.cookie");
  try {
    const { title, detail } = await answer.json();
    return detail || title;
  } catch {
    return t("errors.other", { status: String(answer.status) });
  }
}

/** Return an address with these parameters; those that are null or undefined are left out. */
export function address(path, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined);
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** @param {string} path @param {Record<string, any>} [parameters] @param {AbortSignal} [signal] */
export const get = (path, parameters, signal) => ask(address(path, parameters), { signal });

/** @param {string} path @param {Record<string, any>} [body] */
export async function post(path, body = {}) {
  const answer = await ask(path, {
    method: "POST",
    headers: { ...HEADERS, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  saw(answer.revision);
  return answer;
}

/** Send a file's bytes. @param {string} path @param {Blob} blob @param {Record<string, any>} [parameters] */
export const send = (path, blob, parameters, signal) =>
  ask(address(path, parameters), {
    method: "POST",
    headers: { ...HEADERS, "Content-Type": "application/octet-stream" },
    body: blob,
    signal,
  });

export const thumb = (id, size = 160) => `/thumb/${id}?size=${size}`;
export const photo = (id) => `/photo/${id}`;
