// Sortable column heads. Everything on the pages can be read without this file.
"use strict";

for (const table of document.querySelectorAll(".scroll table")) {
  const body = table.tBodies[0];
  const heads = table.querySelectorAll("tr.columns th");
  if (body.rows.length < 2) continue;

  // A cell's key is a number where it has one; text sorts as text; a missing value stays last either way.
  const keyOf = (row, column) => {
    const raw = row.cells[column].dataset.sort;
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
    button.append(...head.childNodes);
    head.append(button);
    head.setAttribute("aria-sort", "none");
    button.addEventListener("click", () => {
      // Numbers start with the largest, names with A.
      const before = head.getAttribute("aria-sort");
      sortBy(column, before === "none" ? column === 0 : before === "descending");
    });
  });
}
