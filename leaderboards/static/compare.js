// Choose any two rows. The page is complete for one pair without this file; it fills in another one's figures, which
// were computed when the site was built. The pairs of a row with the rows after it lie in a file of their own.
"use strict";

(() => {
  const chooser = document.getElementById("chooser");
  const [first, second] = chooser.querySelectorAll("select");
  const said = document.getElementById("said");
  const lines = Array.from(document.querySelectorAll("#rows-table tbody tr"));
  const total = document.querySelector("#rows-table tfoot tr");
  // In the order of the board, before anyone sorts them.
  const tasks = Array.from(document.querySelectorAll("#tasks-table tbody tr"));
  const loaded = new Map();
  const files = new Map();
  const place = new Map();
  let rows = [];

  // The numbers of a file: tenths of a point, thousandths of a p value; of a difference of costs its sign and amount.
  const sign = (number) => (number < 0 ? "−" : number > 0 ? "+" : "");
  const signed = (tenths) => sign(tenths) + (Math.abs(tenths) / 10).toFixed(1);
  const pText = (thousandths) => (thousandths ? (thousandths / 1000).toFixed(3) : "< 0.001");
  const count = (number) => number.toLocaleString("en-US");

  const turnedDifference = ([value, low, high, clear]) => [-value, -high, -low, clear];
  const turned = (pair) => ({
    all: pair.all && turnedDifference(pair.all),
    cost: pair.cost.map(([direction, amount]) => [-direction, amount]),
    tasks: pair.tasks.map((task) => {
      if (!task) return null;
      const [p, fixed, broken, flips] = task.slice(4);
      return [...turnedDifference(task), p, broken, fixed, flips];
    }),
  });

  const fill = (cell, text, { detail = "", tone = "", sort = null } = {}) => {
    cell.querySelector(".value").textContent = text;
    cell.querySelector("small")?.remove();
    if (detail) cell.appendChild(document.createElement("small")).textContent = detail;
    cell.classList.remove("good", "bad", "muted");
    if (tone) cell.classList.add(tone);
    if (sort === null) delete cell.dataset.sort;
    else cell.dataset.sort = sort;
  };

  const fillScore = (cell, [text, detail, sort]) => fill(cell, text, { detail, sort });

  const fillDifference = (cell, figures) => {
    if (!figures) return fill(cell, "–");
    const [value, low, high, clear] = figures;
    const tone = !clear ? "muted" : value > 0 ? "good" : "bad";
    return fill(cell, signed(value), { detail: `${signed(low)} to ${signed(high)}`, tone, sort: value });
  };

  const fillTask = (line, ours, theirs, figures) => {
    const cells = line.querySelectorAll("td");
    fillScore(cells[0], ours);
    fillScore(cells[1], theirs);
    fillDifference(cells[2], figures);
    const [p, fixed, broken, flips] = figures ? figures.slice(4) : [];
    const texts = figures ? [pText(p), count(fixed), count(broken), pText(flips)] : ["–", "–", "–", "–"];
    [p, fixed, broken, flips].forEach((number, index) => fill(cells[3 + index], texts[index], { sort: number ?? null }));
  };

  const fillRow = (line, row) => {
    const link = line.querySelector("a.name");
    link.textContent = row.name;
    link.setAttribute("href", row.page);
    line.querySelector("small").textContent = row.method;
    const cells = line.querySelectorAll("td");
    fillScore(cells[0], row.score);
    row.cost.forEach((text, index) => fill(cells[1 + index], text));
  };

  const show = (ours, theirs, pair) => {
    fillRow(lines[0], ours);
    fillRow(lines[1], theirs);
    const cells = total.querySelectorAll("td");
    fillDifference(cells[0], pair.all);
    pair.cost.forEach(([direction, amount], index) => fill(cells[1 + index], sign(direction) + amount));
    tasks.forEach((line, index) => fillTask(line, ours.tasks[index], theirs.tasks[index], pair.tasks[index]));
    // What a column was sorted by is no longer what it shows.
    document.querySelectorAll("#tasks-table th[aria-sort]").forEach((head) => head.setAttribute("aria-sort", "none"));
    tasks[0]?.parentNode.append(...tasks);
  };

  // A script and not a request: pages opened from a disk may not read files, only run them.
  const load = (row) => {
    if (!files.has(row)) {
      files.set(row, new Promise((resolve) => {
        const script = document.createElement("script");
        script.src = `compare/${row}.js`;
        script.addEventListener("load", () => resolve(loaded.get(row)));
        script.addEventListener("error", () => { files.delete(row); resolve(undefined); });
        document.head.append(script);
      }));
    }
    return files.get(row);
  };
  window.gainboardPairs = (data) => loaded.set(data.row, data.pairs);

  const choose = async (remark) => {
    const [a, b] = [first.value, second.value];
    if (a === b) {
      said.textContent = `${remark}Both are the same row: choose two.`;
      return;
    }
    const inOrder = place.get(a) < place.get(b);
    const pairs = await load(inOrder ? a : b);
    if (first.value !== a || second.value !== b) return; // another one was chosen meanwhile
    const pair = pairs?.[inOrder ? b : a];
    if (!pair) {
      said.textContent = "The figures of these two rows could not be loaded; the tables below are of the rows they name.";
      return;
    }
    const [ours, theirs] = [rows[place.get(a)], rows[place.get(b)]];
    show(ours, theirs, inOrder ? pair : turned(pair));
    said.textContent = `${remark}${ours.name} · ${ours.method} against ${theirs.name} · ${theirs.method}.`;
  };

  window.gainboardRows = (data) => {
    rows = data.rows;
    rows.forEach((row, index) => place.set(row.row, index));
    const wanted = new URLSearchParams(location.search);
    const unknown = [];
    for (const [name, select] of [["a", first], ["b", second]]) {
      const row = wanted.get(name);
      if (place.has(row)) select.value = row;
      else if (row) unknown.push(`“${row.length > 80 ? `${row.slice(0, 80)}…` : row}”`);
    }
    // One row alone is held against the first other one.
    if (first.value === second.value && !(wanted.has("a") && wanted.has("b"))) {
      (wanted.has("a") ? second : first).value = rows.find((row) => row.row !== first.value).row;
    }
    const remark = unknown.length ? `No row here is called ${unknown.join(" or ")}. ` : "";
    chooser.hidden = false;
    const changed = first.value !== chooser.dataset.first || second.value !== chooser.dataset.second;
    if (changed || remark) choose(remark);
  };

  chooser.addEventListener("submit", (event) => event.preventDefault());
  chooser.addEventListener("change", () => {
    history.replaceState(null, "", `?${new URLSearchParams({ a: first.value, b: second.value })}`);
    choose("");
  });
})();
