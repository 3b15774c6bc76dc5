// News from the server, as they come. When it is away the page says so and tries again by itself.

import { get } from "./api.js";
import { put, saw, state } from "./store.js";

const RETRY = 1500;
let source = null;
let again = 0;

/** Listen, while the page is seen: a browser has but a few connections to share among its tabs. */
export function start() {
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) listen();
    else {
      source?.close();
      source = null;
    }
  });
  listen();
}

function listen() {
  clearTimeout(again);
  source?.close();
  source = new EventSource("/api/events");
  source.onopen = () => {
    put("online", true);
    refresh();
  };
  source.onmessage = ({ data }) => take(JSON.parse(data));
  source.onerror = () => {
    put("online", false);
    refresh(); // tells whether it is the cookie
    if (source.readyState === EventSource.CLOSED) again = setTimeout(listen, RETRY); // else it tries by itself
  };
}

/** Ask for all that events tell of: the page may have missed some. */
export async function refresh() {
  const parts = [
    ["project", "/api/project"],
    ["live", "/api/live"],
    ["jobs", "/api/jobs"],
  ];
  await Promise.all(
    parts.map(async ([key, path]) => {
      try {
        const found = await get(path);
        saw(found.revision);
        put(key, found);
      } catch (error) {
        if (error.status === 401) put("online", "cookie");
      }
    }),
  );
}

function take(event) {
  if (event.type === "project") refreshProject();
  else if (event.type === "live") put("live", event);
  else if (event.type === "job") takeJob(event.job);
  else if (event.type === "health" || event.type === "run") {
    put(event.type, state[event.type] + 1);
    if (event.type === "run") refreshProject();
  }
}

async function takeJob(job) {
  if (state.jobs && state.jobs.current?.id === job.id && job.state === "running") {
    put("jobs", { ...state.jobs, current: job });
    return;
  }
  try {
    put("jobs", await get("/api/jobs"));
  } catch {
    // It is asked again when the server is back.
  }
}

let isAsking = false;
let isWanted = false;

/** Ask for the project; many events in a row are one question. */
export async function refreshProject() {
  isWanted = true;
  if (isAsking) return;
  isAsking = true;
  while (isWanted) {
    isWanted = false;
    try {
      const project = await get("/api/project");
      saw(project.revision);
      put("project", project);
    } catch {
      break;
    }
    await new Promise((done) => setTimeout(done, 150));
  }
  isAsking = false;
}
