// How a page answers alone: a worker of its own runs the network that the page carries.

function missing() {
  const needed = ["DecompressionStream", "WebAssembly", "OffscreenCanvas", "createImageBitmap"];
  return needed.filter((name) => !(name in window));
}

/** An error whose words are for the user. */
const refusal = (text, values) => Object.assign(new Error(text), { words: filled(text, values) });

/** Have the worker open the network; make sure that this browser computes as the library does. */
async function begin() {
  offerRules();
  const lacking = missing();
  if (lacking.length) throw refusal(texts.status.old, { what: lacking.join(", ") });
  const { looks, shape, input, outputs, checks, max_pixels } = facts;
  const told = { looks, shape, input, outputs, checks, max_pixels };
  const { threads } = await ask("open", { packed: take("packed-network"), facts: told });
  say(texts.status.checking);
  const checked = await ask("check");
  window.photograft = { threads, checked }; // for whoever looks into it
  const wrong = checked.find(({ agrees }) => !agrees);
  if (!wrong) return;
  worker.terminate();
  const difference = wrong.difference.toPrecision(2);
  throw refusal(texts.status.disagrees, { name: wrong.name, difference });
}

const readyText = () => filled(texts.status.ready, { count: facts.checks.length });

/** Answer for a file or a picture; with `side`, with a thumbnail of at most so many pixels a side. */
function classify({ blob, picture, side }) {
  return ask("classify", { blob, picture, side }, picture ? [picture] : []);
}

/** Beside a server's page lie what makes it one that can be installed, and works offline then. */
function outside() {
  if (!location.protocol.startsWith("http") || !navigator.serviceWorker) return;
  document.head.append(Object.assign(make("link"), { rel: "manifest", href: "manifest.webmanifest" }));
  navigator.serviceWorker.register("service-worker.js").catch(() => {});
}
