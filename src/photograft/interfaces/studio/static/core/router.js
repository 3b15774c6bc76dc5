// Addresses within the page: a reload, a bookmark or the back button finds the same thing again.

/** Go to an address of this page, without loading it anew. @param {string} href */
export function go(href) {
  history.pushState(null, "", href);
  dispatchEvent(new PopStateEvent("popstate"));
}

/** What stands behind the question mark. */
export const query = () => new URLSearchParams(location.search);

/** Change what stands there, without a step in the history. @param {Record<string, string | null>} values */
export function setQuery(values) {
  const all = query();
  for (const [key, value] of Object.entries(values)) {
    if (value === null) all.delete(key);
    else all.set(key, value);
  }
  const text = all.toString();
  history.replaceState(null, "", text ? `${location.pathname}?${text}` : location.pathname);
}
