// Sortable column heads; search, methods and ticks of the ranking. Everything on the pages can be read without this file.
"use strict";

for (const table of document.querySelectorAll(".scroll table")) {
  const body = table.tBodies[0];
  const heads = table.querySelectorAll("tr.columns th");
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

  const sortBy = (column, ascending) => {
    const rows = Array.from(body.rows, (row) => ({ row, key: keyOf(row, column) }));
    rows.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null);
      return ascending ? compare(a.key, b.key) : compare(b.key, a.key);
    });
    body.append(...rows.map((entry) => entry.row));
    table.classList.add("sorted"); // rules between tiers mean nothing in another order
    heads.forEach((head, index) => {
      if (head.querySelector("button")) {
        head.setAttribute("aria-sort", index === column ? (ascending ? "ascending" : "descending") : "none");
      }
    });
  };

  heads.forEach((head, column) => {
    const sortable = Array.from(body.rows).some((row) => keyOf(row, column) !== null);
    if (!sortable) return;
    const button = document.createElement("button");
    button.type = "button";
    const why = head.querySelector(".why"); // a link of its own, which no button may hold
    why?.remove();
    button.append(...head.childNodes);
    head.append(button, ...(why ? [why] : []));
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      // Numbers start with the largest, names with A.
      const before = head.getAttribute("aria-sort");
      sortBy(column, before === "none" ? column === 0 : before === "descending");
    });
  });
}

// The ranking: which rows are shown, and which two are compared. Ranks stay those of the whole table.
(() => {
  const table = document.getElementById("ranking-table");
  const heads = table ? Array.from(table.querySelectorAll("th[data-kind]")) : [];
  if (heads.length < 2) return;

  const element = (name, settings = {}, ...inside) => {
    const made = Object.assign(document.createElement(name), settings);
    made.append(...inside);
    return made;
  };

  // Search and methods, kept in the address as #show=tuned&search=qwen

  const KINDS = ["all", "tuned", "few-shot", "zero-shot"];
  const rows = heads.map((head) => ({ line: head.parentNode, kind: head.dataset.kind, text: head.innerText.toLowerCase() }));
  const apart = table.querySelector("tr.apart");
  const search = element("input", { type: "search", autocomplete: "off", spellcheck: false });
  const kinds = element("fieldset", { className: "choices" }, element("legend", { textContent: "Show" }));
  const radios = KINDS.map((kind) => {
    const radio = element("input", { type: "radio", name: "show", value: kind, checked: kind === "all" });
    kinds.append(element("label", {}, radio, ` ${kind}`));
    return radio;
  });
  const said = element("p", { className: "said" });
  said.setAttribute("role", "status");
  const tools = element("form", { className: "tools" }, element("label", {}, "Search ", search), kinds, said);
  tools.setAttribute("role", "search");
  table.closest(".scroll").before(tools);

  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = radios.find((radio) => radio.checked).value;
    let shown = 0;
    for (const row of rows) {
      const fits = (wanted === "all" || row.kind === wanted) && words.every((word) => row.text.includes(word));
      row.line.hidden = !fits;
      shown += fits ? 1 : 0;
    }
    if (apart) apart.hidden = !rows.some((row) => row.line.parentNode === apart.parentNode && !row.line.hidden);
    const narrowed = wanted !== "all" || words.length > 0;
    said.textContent = `${shown} of ${rows.length} rows${narrowed ? "; ranks are those of all rows" : ""}.`;
  };

  const fromAddress = () => {
    const state = new URLSearchParams(location.hash.slice(1));
    if (!state.has("show") && !state.has("search")) return filter(); // an anchor of the page, or nothing
    search.value = state.get("search") ?? "";
    const kind = KINDS.includes(state.get("show")) ? state.get("show") : "all";
    radios.forEach((radio) => { radio.checked = radio.value === kind; });
    filter();
  };

  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.addEventListener("input", () => {
    const state = new URLSearchParams();
    const kind = radios.find((radio) => radio.checked).value;
    if (kind !== "all") state.set("show", kind);
    if (search.value.trim()) state.set("search", search.value.trim());
    history.replaceState(null, "", state.size ? `#${state}` : location.href.split("#")[0]);
    filter();
  });
  window.addEventListener("hashchange", fromAddress);
  fromAddress();

  // A tick on two rows compares them; a third one takes the place of the first.

  const comparable = heads.filter((head) => head.dataset.row);
  if (comparable.length < 2) return;
  const ticked = [];
  const link = element("a", { className: "compare-link", textContent: "Compare the two rows" });
  const bar = element("p", { className: "compare-bar", hidden: true }, link);
  table.closest(".scroll").after(bar);

  const offer = () => {
    bar.hidden = ticked.length !== 2;
    const [first, second] = comparable.filter((head) => ticked.includes(head)); // as they stand in the ranking
    if (second) link.href = `compare.html?${new URLSearchParams({ a: first.dataset.row, b: second.dataset.row })}`;
  };
  for (const head of comparable) {
    const box = element("input", { type: "checkbox", autocomplete: "off" });
    box.setAttribute("aria-label", `Compare ${head.innerText.trim().replace(/\s+/g, " ")}`);
    head.querySelector(".candidate").prepend(element("label", { className: "tick" }, box));
    box.addEventListener("change", () => {
      if (box.checked) ticked.push(head);
      else ticked.splice(ticked.indexOf(head), 1);
      if (ticked.length > 2) ticked.shift().querySelector(".tick input").checked = false;
      offer();
    });
  }
})();
