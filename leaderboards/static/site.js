// Sortable column heads; search, methods, columns and ticks of the ranking; buttons that copy. Everything on the pages
// can be read without this file.
"use strict";

const newElement = (name, settings = {}, ...inside) => {
  const made = Object.assign(document.createElement(name), settings);
  made.append(...inside);
  return made;
};

// What a row opens to stands across the table, in a row of its own below it. By row: the one that is open.
const opened = new Map();
for (const more of document.querySelectorAll(".row-more")) {
  const row = more.closest("tr");
  const detail = more.querySelector(".row-detail");
  more.addEventListener("toggle", () => {
    if (more.open === opened.has(row)) return;
    if (more.open) {
      const across = newElement("td", { colSpan: row.cells.length }, detail);
      opened.set(row, newElement("tr", { className: "opened" }, across));
      row.after(opened.get(row));
    } else {
      more.append(detail);
      opened.get(row).remove();
      opened.delete(row);
    }
  });
}

// By table: { sort(name, ascending), onSort } for what keeps the order in the address.
const sorters = new Map();

for (const table of document.querySelectorAll(".scroll table")) {
  const body = table.tBodies[0];
  const heads = Array.from(table.querySelectorAll("tr.columns th"));
  if (body.rows.length < 2) continue;

  // A cell's key is a number where it has one; text sorts as text; a missing value stays last either way.
  const keyOf = (row, column) => {
    const cell = row.cells[column];
    const raw = cell.dataset.sort ?? (cell.scope === "row" ? cell.querySelector(".name")?.textContent : undefined);
    if (raw === undefined) return null;
    const number = Number(raw);
    return raw.trim() !== "" && Number.isFinite(number) ? number : raw.toLowerCase();
  };

  const compare = (first, second) =>
    typeof first === "number" && typeof second === "number" ? first - second : String(first).localeCompare(String(second));

  const sorter = { onSort: null };
  const names = [];
  const sortBy = (column, ascending) => {
    const rows = Array.from(body.querySelectorAll("tr:not(.opened)"), (row) => ({ row, key: keyOf(row, column) }));
    rows.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
      return ascending ? compare(a.key, b.key) : compare(b.key, a.key);
    });
    body.append(...rows.flatMap(({ row }) => (opened.has(row) ? [row, opened.get(row)] : [row])));
    table.classList.add("sorted"); // rules between tiers mean nothing in another order
    heads.forEach((head, index) => {
      if (names[index] !== undefined) {
        head.setAttribute("aria-sort", index === column ? (ascending ? "ascending" : "descending") : "none");
      }
    });
  };

  heads.forEach((head, column) => {
    const sortable = Array.from(body.rows).some((row) => keyOf(row, column) !== null);
    if (!sortable) return;
    const button = newElement("button", { type: "button", className: "sort" });
    const beside = Array.from(head.querySelectorAll(".why, [popover]")); // a button of its own, which no other may hold
    beside.forEach((part) => part.remove());
    button.append(...head.childNodes);
    head.append(button, ...beside);
    head.setAttribute("aria-sort", "none");
    names[column] = button.textContent.toLowerCase().replace(/[^a-z0-9]+/g, " ").trim().replaceAll(" ", "-");
    button.addEventListener("click", () => {
      // Names begin with A, costs and ranks with the lowest, all else with the largest.
      const before = head.getAttribute("aria-sort");
      const ascending = before === "none" ? column === 0 || head.dataset.first === "low" : before === "descending";
      sortBy(column, ascending);
      sorter.onSort?.(names[column], ascending);
    });
  });
  sorter.sort = (name, ascending) => {
    if (names.includes(name)) sortBy(names.indexOf(name), ascending);
  };
  sorters.set(table, sorter);
}

// A button beside what is there to be copied.
for (const source of document.querySelectorAll("pre.copied")) {
  const button = newElement("button", { type: "button", className: "copy", textContent: "Copy" });
  source.before(button);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source); // where scripts may not write: one key is left to press
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}

// The ranking: which rows and columns are shown, in which order, and which two are compared. Ranks stay those of the
// whole table. All of it is kept in the address, as #show=tuned&search=qwen&sort=train&tick=a,b, so that a link and
// the way back show the same.
(() => {
  const table = document.getElementById("ranking-table");
  const heads = table ? Array.from(table.querySelectorAll("th[data-kind]")) : [];
  if (heads.length < 2) return;

  const KINDS = ["all", "tuned", "few-shot", "zero-shot"];
  const nameOf = (head) => Array.from(head.querySelectorAll(".rank, .name, small"), (part) => part.innerText.trim()).join(" ");
  const rows = heads.map((head) => ({ line: head.parentNode, kind: head.dataset.kind, text: nameOf(head).toLowerCase() }));
  const offered = KINDS.filter((kind) => kind === "all" || rows.some((row) => row.kind === kind));
  const apart = table.querySelector("tr.apart");
  const search = newElement("input", { type: "search", autocomplete: "off", spellcheck: false });
  const kinds = newElement("fieldset", { className: "choices", hidden: offered.length < 3 }, newElement("legend", { textContent: "Show" }));
  const radios = offered.map((kind) => {
    const radio = newElement("input", { type: "radio", name: "show", value: kind, checked: kind === "all", autocomplete: "off" });
    kinds.append(newElement("label", {}, radio, ` ${kind}`));
    return radio;
  });
  const columns = document.getElementById("more-columns");
  const clear = newElement("button", { type: "button", className: "plain", textContent: "Show all rows", hidden: true });
  const said = newElement("p", { className: "said" });
  said.setAttribute("role", "status");
  const tools = newElement("form", { className: "tools" }, newElement("label", {}, "Search ", search), kinds);
  tools.append(columns.closest("label"), said, clear);
  document.querySelector(".more-columns").replaceWith(tools);

  const ticked = [];
  let order = null; // [column, whether it ascends], once someone has sorted

  const remember = () => {
    const state = new URLSearchParams();
    const kind = radios.find((radio) => radio.checked).value;
    if (kind !== "all") state.set("show", kind);
    if (search.value.trim()) state.set("search", search.value.trim());
    if (order) state.set("sort", `${order[0]}${order[1] ? "" : ".down"}`);
    if (columns.checked) state.set("columns", "all");
    if (ticked.length) state.set("tick", ticked.map((head) => head.dataset.row).join(","));
    history.replaceState(null, "", state.size ? `#${state}` : location.href.split("#")[0]);
  };

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = radios.find((radio) => radio.checked).value;
    let shown = 0;
    for (const row of rows) {
      const fits = (wanted === "all" || row.kind === wanted) && words.every((word) => row.text.includes(word));
      row.line.hidden = !fits;
      if (opened.has(row.line)) opened.get(row.line).hidden = !fits;
      shown += fits ? 1 : 0;
    }
    if (apart) apart.hidden = !rows.some((row) => row.line.parentNode === apart.parentNode && !row.line.hidden);
    const narrowed = wanted !== "all" || words.length > 0;
    said.textContent = `${shown} of ${rows.length} rows${narrowed ? "; ranks are those of all rows" : ""}.`;
    clear.hidden = !narrowed;
  };

  // A tick on two rows compares them; a third one takes the place of the first.
  const comparable = heads.filter((head) => head.dataset.row);
  const link = newElement("a", { className: "compare-link", textContent: "Compare the two rows" });
  const bar = newElement("p", { className: "compare-bar", hidden: true }, link);
  table.closest(".scroll").after(bar);

  const offer = () => {
    bar.hidden = ticked.length !== 2;
    const [first, second] = comparable.filter((head) => ticked.includes(head)); // as they stand in the ranking
    if (second) link.href = `compare.html?${new URLSearchParams({ a: first.dataset.row, b: second.dataset.row })}`;
  };
  const tick = (head, on) => {
    head.querySelector(".tick input").checked = on;
    if (on && !ticked.includes(head)) ticked.push(head);
    if (!on && ticked.includes(head)) ticked.splice(ticked.indexOf(head), 1);
    if (ticked.length > 2) ticked.shift().querySelector(".tick input").checked = false;
    offer();
  };
  for (const head of comparable.length > 1 ? comparable : []) {
    const box = newElement("input", { type: "checkbox", autocomplete: "off" });
    box.setAttribute("aria-label", `Compare ${nameOf(head)}`);
    head.querySelector(".candidate").prepend(newElement("label", { className: "tick" }, box));
    box.addEventListener("change", () => { tick(head, box.checked); remember(); });
  }

  const fromAddress = () => {
    const state = new URLSearchParams(location.hash.slice(1));
    if (["show", "search", "sort", "columns", "tick"].some((key) => state.has(key))) {
      search.value = state.get("search") ?? "";
      const kind = offered.includes(state.get("show")) ? state.get("show") : "all";
      radios.forEach((radio) => { radio.checked = radio.value === kind; });
      columns.checked = state.get("columns") === "all";
      const wanted = (state.get("tick") ?? "").split(",");
      comparable.forEach((head) => { if (head.querySelector(".tick")) tick(head, wanted.includes(head.dataset.row)); });
      const [name, down] = (state.get("sort") ?? "").split(".");
      if (name) {
        order = [name, down !== "down"];
        sorters.get(table).sort(...order);
      }
    }
    filter();
  };

  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.addEventListener("input", () => { remember(); filter(); });
  clear.addEventListener("click", () => {
    search.value = "";
    radios[0].checked = true;
    remember();
    filter();
    search.focus();
  });
  sorters.get(table).onSort = (...sorted) => { order = sorted; remember(); };
  window.addEventListener("hashchange", fromAddress);
  fromAddress();
})();
