// Runs while the page is still being read: the worker prepares what runs the network meanwhile, which
// is the last and largest part of the page.

let worker;
const asked = new Map();
let lastId = 0;
let broken = null;

function ask(task, given, transfer = []) {
  if (broken) return Promise.reject(broken); // it would never answer
  return new Promise((resolve, reject) => {
    const id = ++lastId;
    asked.set(id, { resolve, reject });
    worker.postMessage({ id, task, given }, transfer);
  });
}

function startWorker() {
  const code = take("worker");
  worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  worker.onmessage = ({ data: { id, found, error, detail } }) => {
    const { resolve, reject } = asked.get(id);
    asked.delete(id);
    if (error) reject(Object.assign(new Error(detail), { reason: error }));
    else resolve(found);
  };
  worker.onerror = (event) => {
    broken = new Error(event.message || "worker");
    for (const { reject } of asked.values()) reject(broken);
    asked.clear();
  };
}

/** Return what an element holds, which is not kept twice. */
function take(id) {
  const element = document.getElementById(id);
  const text = element.textContent;
  element.remove();
  return text;
}

if ("DecompressionStream" in window && "WebAssembly" in window) {
  startWorker();
  // What goes wrong here, the next task comes to know.
  ask("prepare", { packed: ["packed-runtime", "packed-binary"].map(take) }).catch(() => {});
}
