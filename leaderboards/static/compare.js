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
  const names = document.getElementById("names");
  const finding = document.getElementById("finding");
  const titleEnd = document.title.slice(names.textContent.length);
  let board = { rows: [], tasks: [] };

  // The numbers of a file: the last digit that is shown, in the unit of its task; thousandths of a p value; of a
  // difference of costs its sign and amount.
  const sign = (number) => (number < 0 ? "−" : number > 0 ? "+" : "");
  const signed = (number, { decimals }) => sign(number) + (Math.abs(number) / 10 ** decimals).toLocaleString("en-US", {
    minimumFractionDigits: decimals, maximumFractionDigits: decimals,
  });
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

  const fill = (cell, text, { detail = "", tone = "", sort = null, href = "" } = {}) => {
    const before = cell.querySelector(":scope > .value, :scope > a");
    const value = document.createElement(href ? "a" : "span");
    value.textContent = text;
    if (href) value.setAttribute("href", href);
    else value.className = "value";
    before.replaceWith(value);
    cell.querySelector("small")?.remove();
    if (detail) cell.appendChild(document.createElement("small")).textContent = detail;
    cell.classList.remove("good", "bad", "muted");
    if (tone) cell.classList.add(tone);
    if (sort === null) delete cell.dataset.sort;
    else cell.dataset.sort = sort;
  };

  const fillScore = (cell, [text, detail, sort]) => fill(cell, text, { detail, sort });

  const fillDifference = (cell, figures, unit) => {
    if (!figures) return fill(cell, "–");
    const [value, low, high, clear] = figures;
    const tone = !clear ? "muted" : value > 0 ? "good" : "bad";
    const detail = `${signed(low, unit)} to ${signed(high, unit)}`;
    return fill(cell, signed(value, unit), { detail, tone, sort: value });
  };

  const fillTask = (line, index, ours, theirs, figures) => {
    const { unit, samples, graded } = board.tasks[index];
    const cells = line.querySelectorAll("td");
    fillScore(cells[0], ours.tasks[index]);
    fillScore(cells[1], theirs.tasks[index]);
    fillDifference(cells[2], figures, unit);
    if (!figures) return cells.forEach((cell, column) => { if (column > 2) fill(cell, "–"); });
    const [p, fixed, broken, flips] = figures.slice(4);
    const isShown = ours.samples[index] && theirs.samples[index];
    const leadTo = (number, change) => (isShown && number ? `${samples}?against=${theirs.row}&judged=${ours.row}#${change}` : "");
    fill(cells[3], pText(p), { sort: p });
    fill(cells[4], count(fixed), { sort: fixed, href: leadTo(fixed, graded ? "better" : "fixed") });
    fill(cells[5], count(broken), { sort: broken, href: leadTo(broken, graded ? "worse" : "broken") });
    return fill(cells[6], pText(flips), { sort: flips });
  };

  // The pair in words

  const label = (row) => `${row.name} · ${row.method}`;

  const outcome = (won, lost, rival, tasks) => {
    if (won) return `beats ${rival} on ${won} of ${tasks}${lost ? ` and loses on ${lost}` : ""}`;
    if (lost) return `loses to ${rival} on ${lost} of ${tasks}`;
    return `is neither clearly better nor clearly worse than ${rival} on any of ${tasks}`;
  };

  const findingOf = (ours, theirs, pair) => {
    const known = pair.tasks.filter(Boolean);
    const won = known.filter(([value, , , clear]) => clear && value > 0).length;
    const lost = known.filter(([value, , , clear]) => clear && value < 0).length;
    const rival = ours.name === theirs.name ? theirs.method : label(theirs);
    const tasks = `${count(known.length)} ${known.length === 1 ? "task" : "tasks"}`;
    const parts = [`${label(ours)} ${outcome(won, lost, rival, tasks)}`];
    if (pair.all) {
      const [value, low, high] = pair.all.slice(0, 3).map((number) => signed(number, board.unit));
      parts.push(`${value} ${board.unit.noun} overall (${low} to ${high})`);
    }
    const [direction, amount] = pair.cost[0];
    if (amount !== "–") parts.push(`and costs ${direction ? `${amount} ${direction > 0 ? "more" : "less"}` : "as much"} to train`);
    return `${parts.join(", ")}.`;
  };

  const say = (ours, theirs, pair) => {
    names.textContent = ours.name === theirs.name ? `${ours.name}: ${ours.method} or ${theirs.method}?` : `${label(ours)} or ${label(theirs)}?`;
    document.title = names.textContent + titleEnd;
    finding.textContent = findingOf(ours, theirs, pair);
  };

  // The pair drawn: as leaderboards/chart/differences.py does

  const plot = document.getElementById("differences");
  const drawnLines = Array.from(plot.querySelectorAll(".difference"));
  const round = (number) => Math.round(10 * number) / 10;

  const niceRange = (low, high) => {
    const span = Math.max(high - low, 0.04);
    const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1].find((one) => span / one <= 6);
    const [bottom, top] = [step * Math.floor(low / step + 0.1), step * Math.ceil(high / step - 0.1)];
    if (bottom < top) return [bottom, top, step];
    return top <= 0 && low >= 0 ? [0, step, step] : [top - step, top, step];
  };

  const tickText = (share, unit) => {
    const text = signed(Math.round(share * unit.whole * 10 ** unit.decimals), unit);
    return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  };

  const draw = (pair) => {
    const units = board.tasks.map(({ unit }) => unit);
    const figures = board.tasks.length > 1 ? [...pair.tasks, pair.all] : pair.tasks;
    const unitOf = (index) => units[index] ?? board.unit;
    const shares = figures.map((one, index) => one?.slice(0, 3).map((number) => number / (unitOf(index).whole * 10 ** unitOf(index).decimals)));
    const known = shares.filter(Boolean);
    const [bottom, top, step] = niceRange(Math.min(0, ...known.map(([, low]) => low)), Math.max(0, ...known.map(([, , high]) => high)));
    const [left, right] = [Number(plot.dataset.left), Number(plot.dataset.right)];
    const at = (share) => round(left + ((right - left) * (Math.min(Math.max(share, bottom), top) - bottom)) / (top - bottom));
    const same = units.every((unit) => JSON.stringify(unit) === JSON.stringify(units[0]));
    const axisUnit = same ? units[0] : { whole: 100, decimals: 1 };
    const [rule, text] = ["path", "text"].map((name) => plot.querySelector(`.ticks ${name}`));
    const ticks = Array.from({ length: Math.round((top - bottom) / step) + 1 }, (_, index) => bottom + step * index);
    plot.querySelector(".ticks").replaceChildren(...ticks.flatMap((share) => {
      const [line, word] = [rule.cloneNode(), text.cloneNode()];
      line.setAttribute("d", rule.getAttribute("d").replace(/^M[-.\d]+/, `M${at(share)}`));
      word.setAttribute("x", at(share));
      word.textContent = tickText(share, axisUnit);
      return [line, word];
    }));
    const zero = plot.querySelector(".zero");
    zero.setAttribute("d", zero.getAttribute("d").replace(/^M[-.\d]+/, `M${at(0)}`));
    drawnLines.forEach((line, index) => {
      const [value, low, high] = shares[index] ?? [0, 0, 0];
      const tone = !figures[index]?.[3] ? "muted" : value > 0 ? "good" : "bad";
      line.setAttribute("class", `difference ${tone}`);
      line.querySelector(".span").setAttribute("d", shares[index] ? `M${at(low)} ${line.dataset.y}H${at(high)}` : "");
      line.querySelector("circle").setAttribute("cx", at(value));
      line.querySelector("circle").setAttribute("r", shares[index] ? 5 : 0);
      line.querySelector(".value").textContent = figures[index] ? signed(figures[index][0], unitOf(index)) : "–";
    });
    plot.setAttribute("aria-label", drawnLines.map((line) => Array.from(line.querySelectorAll("text"), (one) => one.textContent).join(" ")).join("; "));
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
    fillDifference(cells[0], pair.all, board.unit);
    pair.cost.forEach(([direction, amount], index) => fill(cells[1 + index], sign(direction) + amount));
    tasks.forEach((line, index) => fillTask(line, index, ours, theirs, pair.tasks[index]));
    say(ours, theirs, pair);
    draw(pair);
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
    const [ours, theirs] = [board.rows[place.get(a)], board.rows[place.get(b)]];
    show(ours, theirs, inOrder ? pair : turned(pair));
    said.textContent = `${remark}${label(ours)} against ${label(theirs)}.`;
  };

  window.gainboardRows = (data) => {
    board = data;
    board.rows.forEach((row, index) => place.set(row.row, index));
    const wanted = new URLSearchParams(location.search);
    const unknown = [];
    for (const [name, select] of [["a", first], ["b", second]]) {
      const row = wanted.get(name);
      if (place.has(row)) select.value = row;
      else if (row) unknown.push(`“${row.length > 80 ? `${row.slice(0, 80)}…` : row}”`);
    }
    // One row alone is held against the first other one.
    if (first.value === second.value && !(wanted.has("a") && wanted.has("b"))) {
      (wanted.has("a") ? second : first).value = board.rows.find((row) => row.row !== first.value).row;
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
