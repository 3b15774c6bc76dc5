"use strict";
{
  const data = JSON.parse(document.getElementById("data").textContent);
  const dialog = document.getElementById("photos");
  const title = document.getElementById("photos-title");
  const note = document.getElementById("photos-note");
  const list = document.getElementById("photos-list");

  const make = (tag, text, kind) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (kind) element.className = kind;
    return element;
  };
  const many = (n) => `${n.toLocaleString("en")} ${n === 1 ? "photo" : "photos"}`;

  // Each picture is in the page once: in its place, or in the data.
  const pictureOf = (number) => {
    const shown = document.querySelector(`img[data-photo="${Number(number)}"]`);
    return shown ? shown.src : data.pictures[number];
  };
  const tileOf = (number, words) => {
    const source = number < 0 ? undefined : pictureOf(number);
    if (!source) {
      const tile = make("span", "no picture", "tile gone");
      tile.setAttribute("role", "img");
      tile.setAttribute("aria-label", `${words}: no picture`);
      return tile;
    }
    const image = make("img", undefined, "tile");
    image.alt = words;
    image.src = source;
    return image;
  };

  const describe = (key) => {
    const [label, predicted] = key.split(",").map((c) => data.classes[c]);
    return label === predicted ? [`${label}, recognised`] : [`${label}, taken for ${predicted}`];
  };
  const open = (key) => {
    const cell = data.cells[key];
    const words = describe(key)[0];
    title.textContent = words;
    const right = key.split(",")[0] === key.split(",")[1];
    const order = right ? "the least sure first" : "the most confident first";
    const shown = cell.photos.length;
    note.textContent = shown < cell.total
      ? `${shown.toLocaleString("en")} of ${many(cell.total)}, ${order}`
      : `${many(cell.total)}${cell.total > 1 ? `, ${order}` : ""}`;
    list.replaceChildren(...cell.photos.map(([name, sure, number]) => {
      const item = make("li");
      const file = make("p", undefined, "faint file");
      file.append(make("bdi", name));
      item.append(tileOf(number, `${words}: ${name}`), make("p", `${sure} sure`), file);
      return item;
    }));
    dialog.showModal();
    dialog.scrollTop = 0;
  };

  for (const cell of document.querySelectorAll("td[data-cell]")) {
    const key = cell.dataset.cell;
    if (!data.cells[key]) continue;
    const button = make("button", cell.textContent);
    button.type = "button";
    button.setAttribute("aria-haspopup", "dialog");
    button.setAttribute("aria-label", `${describe(key)[0]}: ${many(data.cells[key].total)}`);
    button.addEventListener("click", () => open(key));
    cell.replaceChildren(button);
  }
  document.getElementById("photos-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close(); // beside it
  });

  // At the first click numbers come from the largest, names from A; what is unknown is always last.
  const compare = (a, b) => {
    if (a === b) return 0;
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    const valueOf = (row, column) => {
      const cell = row.cells[column];
      if (cell.dataset.v !== undefined) return Number(cell.dataset.v);
      return heads[column].dataset.kind === "number" ? null : cell.textContent.trim();
    };
    heads.forEach((head, column) => {
      const rows = [...table.tBodies[0].rows];
      if (rows.some((row) => row.cells[column].dataset.v !== undefined)) head.dataset.kind = "number";
      else if (head.scope !== "col" || !rows.every((row) => row.cells[column].tagName === "TH")) return;
      const button = make("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const first = head.classList.contains("num") ? "descending" : "ascending";
        const other = first === "ascending" ? "descending" : "ascending";
        const order = head.getAttribute("aria-sort") === first ? other : first;
        heads.forEach((h) => h.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const sorted = [...table.tBodies[0].rows].sort((r, s) => {
          const a = valueOf(r, column);
          const b = valueOf(s, column);
          if (a === null || b === null) return (a === null) - (b === null);
          return sign * compare(a, b);
        });
        table.tBodies[0].append(...sorted);
      });
    });
  }

  for (const button of document.querySelectorAll("button.copy")) {
    const code = button.parentElement.querySelector("code");
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code); // ready for the keyboard's own way to copy
        button.textContent = "Selected";
      }
    });
  }
  for (const element of document.querySelectorAll(".js-only")) element.hidden = false;
}
