// Keeps the page, so that it opens without a network. Asks the network for nothing else.

const OWN = `photograft ${self.registration.scope} `;
const KEPT = `${OWN}{{ version }}`;
const FILES = ["./", "manifest.webmanifest", "icon-192.png", "icon-512.png"];

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(KEPT).then((cache) => cache.addAll(FILES)));
  self.skipWaiting();
});

self.addEventListener("activate", (event) => {
  const isOld = (name) => name.startsWith(OWN) && name !== KEPT;
  const drop = (names) => Promise.all(names.filter(isOld).map((name) => caches.delete(name)));
  event.waitUntil(caches.keys().then(drop));
  event.waitUntil(self.clients.claim());
});

self.addEventListener("fetch", (event) => {
  const asked = event.request.mode === "navigate" ? "./" : event.request;
  const kept = caches.open(KEPT).then((cache) => cache.match(asked, { ignoreSearch: true }));
  event.respondWith(kept.then((found) => found ?? fetch(event.request)));
});
