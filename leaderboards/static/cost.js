// The cost page shows every figure again when an input changes: words, tables, charts, and its address. The page as it
// opens is made by leaderboards/pages/cost_page and chart/cost.py, and can be read without this file. Needs the three others.
"use strict";

// Words and tables: leaderboards/pages/cost_page

const name = (place) => cases[place].label;

const noFineTune = ({ tuned }) => {
  if (tuned.some((place) => !cases[place].forgets)) return "no fine-tune is within the budget";
  return tuned.length ? "no fine-tune keeps what its base could do" : "there is no fine-tune to compare it with";
};

const nothingFits = ({ cheapest: place, totals, scenario }) => {
  if (place === null) return "Nothing can be advised: every candidate lost too much on guard tasks.";
  const least = `${name(place)} costs least: ${usd(totals[place])} in total.`;
  return `Nothing fits the budget of ${roundUsd(scenario.budget_usd)}. ${least}`;
};

const advice = (decision) => {
  const { known, chosen, bestTuned, reference, figures } = decision;
  if (!cases.length) return "Nothing can be advised: no candidate is complete.";
  if (!known.length) return "No total cost is known: enter the device’s price per hour.";
  if (chosen === null) return nothingFits(decision);
  if (bestTuned === null) return `Use ${name(chosen)}: ${noFineTune(decision)}.`;
  if (reference === null) return `No advice: there is no untuned candidate to compare ${name(chosen)} with.`;
  const { net, worth } = figures[bestTuned];
  if (net.value === 0) return `${name(bestTuned)} and ${name(reference)} are worth the same: nothing tells them apart.`;
  const [low, high] = chosen === bestTuned ? [net.low, net.high] : [-net.high, -net.low];
  const value = `${usd(Math.abs(net.value))} (${plain(low)} to ${plain(high)})`;
  const share = worth === null ? "" : percent(worth).replaceAll(" ", "\u00a0");
  const odds = share ? `worth it in ${share} of the draws.` : "how far another seed would differ is unknown.";
  if (chosen === bestTuned) {
    const more = `worth ${value} more than ${name(reference)}, the best without tuning; ${odds}`;
    return cases[chosen].gain_unproven ? `Not shown yet: as measured, ${name(chosen)} is ${more}` : `Tune ${name(chosen)}: ${more}`;
  }
  const less = `${name(bestTuned)}, the best fine-tune, is worth ${value} less; ${odds}`;
  return `Don’t tune: use ${name(chosen)}. ${less}`;
};

const beyondBudget = ({ excluded, chosen, cheapest: least, totals, worth, scenario }) => {
  if (excluded === null || (chosen === null && excluded === least)) return "";
  const more = `${usd(totals[excluded] - scenario.budget_usd)} more`;
  if (chosen === null) return `${name(excluded)} would be worth most: it takes ${more}.`;
  const gained = cases[excluded].score - cases[chosen].score;
  const benefit = usd(worth * gained - (totals[excluded] - totals[chosen]));
  const buys = `${more} would buy ${gainedIn(unit, gained)} ${unit.noun}, worth ${benefit} after costs.`;
  return `The budget of ${roundUsd(scenario.budget_usd)} excludes ${name(excluded)}: ${buys}`;
};

const verdict = (decision) => {
  const { passedOver } = decision;
  const why = passedOver !== null && cases[passedOver].forgets ? "it lost too much on guard tasks" : "its gain is not shown";
  const passed = passedOver === null ? "" : `${name(passedOver)} would come first but is passed over: ${why}.`;
  return [advice(decision), beyondBudget(decision), passed].filter(Boolean).join(" ");
};

const hangsText = ({ bestTuned, reference }) => {
  if (bestTuned === null || reference === null) {
    return "There is no fine-tune within the budget, or nothing to compare it with.";
  }
  const changed = "with one input halved or doubled; the widest swing comes first.";
  return `Net benefit of ${name(bestTuned)} over the best without tuning, ${changed}`;
};

const knowingText = ({ knowing }) => {
  if (knowing === null || !cases.every((one) => one.seeds_known)) return "";
  if (knowing === 0) return "The same candidate wins every draw: more runs and test samples would not change the choice.";
  return `Knowing all scores exactly would be worth ${usd(knowing)}: do not spend more than that on runs and test samples.`;
};

const cheapest = ({ known, costs }) => {
  const from = (start) => (start ? `from ${volume(start)} requests` : "from the first request");
  const parts = envelopeOf(known, costs).map((step) => `${cases[step.place].label} ${from(step.from)}`);
  return parts.length ? `Cheapest, whatever the score: ${parts.join("; ")}.` : "";
};

// A cell's text, smaller text, sort key and tone.
const item = (value, say, detail = "") => [said(value, say), detail, value, typeof value === "string" ? "muted" : ""];

const netItem = (net, isReference) => {
  if (!net) return isReference ? ["reference", "", null, "muted"] : ["–"];
  const tone = net.low > 0 ? "good" : net.high < 0 ? "bad" : "muted";
  return [signed(net.value), `${signed(net.low)} to ${signed(net.high)}`, net.value, tone];
};

const bestItem = ({ best, loss }) => (best === null ? ["–"] : item(best, percent, `${usd(loss)} loss`));

const endsText = ({ ends }) => {
  if (ends === null) return "";
  const [low, high] = ends.map((end) => (end === Infinity ? "never" : requests(end)));
  return low === high ? "" : `${low} to ${high}`;
};
const volumeItem = (made, also = "") => {
  if (!made) return item(null, requests, also);
  return item(made.figure, requests, [endsText(made), also].filter(Boolean).join("; "));
};

const figureItems = (place, { costs, figures, scenario, reference }) => {
  const [one, cost, made] = [cases[place], costs[place], figures[place]];
  if (!cost) return new Array(11).fill(["–"]);
  const ends = [presets[0], presets[2]].map((prices) => costsOf(one, { ...scenario, ...prices }));
  const range = ends.every(Boolean) ? `${usd(ends[0].total)}–${usd(ends[1].total).replace(/^\$/, "")}` : "";
  const uncached = one.uncached && costsOf(one, { ...scenario, cache: false });
  const cacheOff = uncached ? `${usd(1000 * uncached.served)} cache off` : "cache off not measured";
  const without = made.fewUncached === null ? "cache off not measured" : `${said(made.fewUncached.figure, requests)}, cache off`;
  return [
    item(cost.once, usd, cost.labels ? `${usd(cost.labels)} labels` : ""),
    item(1000 * cost.served, usd, one.few_shot ? cacheOff : ""),
    item(cost.total, usd, range),
    netItem(made.net, place === reference),
    item(made.worth, percent),
    bestItem(made),
    item(made.frontier, percent),
    item(made.perPoint, usd),
    volumeItem(made.few, one.few ? without : ""),
    volumeItem(made.api, made.apiFewShot ? `${said(made.apiFewShot.figure, requests)}, few-shot` : ""),
    item(made.correct, usd),
  ];
};

const put = (cell, [text, detail, sort, tone]) => {
  cell.querySelector(".value").textContent = text;
  cell.querySelector("small")?.remove();
  if (detail) cell.append(Object.assign(document.createElement("small"), { textContent: detail }));
  cell.classList.remove("good", "bad", "muted");
  if (tone) cell.classList.add(tone);
  if (typeof sort === "number") cell.dataset.sort = sort;
  else delete cell.dataset.sort;
};

// A reader may sort the rows: they are kept in the order of the cases.
const swingRows = [...document.querySelectorAll("#swings-table tbody tr")];
const figureRows = [...document.querySelectorAll("#figures-table tbody tr")];
const budgetLines = document.querySelector("#budgets-table tbody");
const budgetLine = budgetLines.rows[0].cloneNode(true);

const showBudget = (budget, decision) => {
  const row = budgetLine.cloneNode(true);
  const best = bestWithin(budget, decision);
  row.querySelector(".name").textContent = roundUsd(budget);
  row.cells[0].querySelector("small")?.remove();
  if (budget === decision.scenario.budget_usd) {
    row.cells[0].append(Object.assign(document.createElement("small"), { textContent: "your budget" }));
  }
  const items = best
    ? [[cases[best.place].label], [cases[best.place].points], [usd(decision.totals[best.place])], [percent(best.wins)]]
    : [[decision.known.length ? "nothing fits" : "no cost is known", "", null, "muted"], ["–"], ["–"], ["–"]];
  items.forEach((made, column) => put(row.cells[column + 1], made));
  return row;
};

const swingItem = (net) => (net === null ? ["–"] : [signed(net), "", net, net > 0 ? "good" : "bad"]);

const showSwings = (decision) => {
  swingsOf(decision).forEach(({ title, half, double }, line) => {
    swingRows[line].querySelector(".name").textContent = title;
    [half, double].forEach((net, column) => put(swingRows[line].cells[column + 1], swingItem(net)));
  });
};

const showTables = (decision) => {
  showSwings(decision);
  figureRows.forEach((row, place) => {
    figureItems(place, decision).forEach((made, column) => put(row.cells[column + 2], made));
  });
  const budgets = [...new Set([...data.budgets, decision.scenario.budget_usd])].sort((a, b) => a - b);
  budgetLines.replaceChildren(...budgets.map((budget) => showBudget(budget, decision)));
};

const show = (scenario) => {
  const decision = weigh(scenario);
  document.getElementById("decision").textContent = verdict(decision);
  document.getElementById("cheapest").textContent = cheapest(decision);
  document.getElementById("hangs").textContent = hangsText(decision);
  document.getElementById("knowing").textContent = knowingText(decision);
  showTables(decision);
  showTotals(decision);
  showWorth(decision);
  showStairs(decision);
};

// Sliders: powers of ten between the usual ends, or even steps where these begin at 0. A field that may be 0 has it at the
// left end. They are for mice and fingers: keyboards and screen readers have the field itself.

const sliders = new Map([...document.querySelectorAll("[data-slides]")].map((slider) => [slider.dataset.slides, slider]));
const placeOf = ({ usual: [low, high] }, value) => {
  const share = low === 0 ? value / high : Math.log(value / low) / Math.log(high / low);
  return 100 * Math.min(Math.max(share, 0), 1);
};
const valueAt = ({ low: least, usual: [low, high], whole }, place) => {
  if (place === 0 && least === 0) return 0;
  const value = significant(low === 0 ? (place / 100) * high : low * (high / low) ** (place / 100), 2);
  return Math.max(least, whole ? Math.round(value) : value);
};

// Inputs and the address of the page

const boxes = new Map(["owned", "cache"].map((box) => [box, document.getElementById(box)]));
const atFirst = { owned: data.owned, cache: data.cache, ...Object.fromEntries(fields.map((field) => [field.name, field.value])) };
const now = { ...atFirst }; // the last good values

// What is wrong with a text in a field; empty when nothing is.
const faultOf = ({ low, high, whole }, text) => {
  if (text.trim() === "") return "Write a number.";
  const value = numberOf(text);
  if (value === null) return "Not a number: write it like 1,500, 0.25 or 10k.";
  if (value < low || value > high) return `Must be from ${low} to ${grouped(`${high}`)}.`;
  return whole && !Number.isInteger(value) ? "Must be a whole number." : "";
};

const read = (field) => {
  const input = document.getElementById(field.name);
  const fault = field.value === null && input.value === "" ? "" : faultOf(field, input.value);
  const kept = now[field.name] === null ? "" : ` ${now[field.name]} still counts.`;
  if (!fault) now[field.name] = input.value === "" ? null : numberOf(input.value);
  input.setAttribute("aria-invalid", fault !== "");
  document.getElementById(`${field.name}-error`).textContent = fault && fault + kept;
};

// Where sliders stand, and which presets do.
const showInputs = () => {
  for (const field of fields) {
    const slider = sliders.get(field.name);
    if (now[field.name] !== null && slider !== document.activeElement) slider.value = placeOf(field, now[field.name]);
  }
  for (const button of document.querySelectorAll("[data-preset]")) {
    const filled = Object.entries(presets[button.dataset.preset]).filter(([, value]) => value !== null);
    button.setAttribute("aria-pressed", filled.every(([name, value]) => now[name] === value));
  }
};

const readAll = () => {
  fields.forEach(read);
  for (const [box, input] of boxes) now[box] = input.checked;
  showInputs();
  show(now);
};

const writeAddress = () => {
  const changed = Object.entries(now).filter(([name, value]) => value !== atFirst[name] && value !== null);
  const query = new URLSearchParams(changed.map(([name, value]) => [name, typeof value === "boolean" ? (value ? "on" : "off") : value]));
  history.replaceState(null, "", `${location.pathname}${changed.length ? `?${query}` : ""}${location.hash}`);
};

const changed = () => {
  readAll();
  writeAddress();
};

for (const part of document.querySelectorAll("#scenario fieldset")) {
  part.disabled = false;
  part.addEventListener("input", changed);
}
for (const field of fields) {
  const slider = sliders.get(field.name);
  // Before the fieldset hears of it, which reads the fields.
  slider.addEventListener("input", () => {
    document.getElementById(field.name).value = grouped(`${valueAt(field, slider.valueAsNumber)}`);
  });
}
for (const button of document.querySelectorAll("[data-preset]")) {
  button.addEventListener("click", () => {
    for (const [name, value] of Object.entries(presets[button.dataset.preset])) {
      if (value !== null) document.getElementById(name).value = value;
    }
    changed();
  });
}

const address = new URLSearchParams(location.search);
for (const { name } of fields) {
  if (address.has(name)) document.getElementById(name).value = address.get(name);
}
for (const [box, input] of boxes) {
  if (address.has(box) && !input.disabled) input.checked = address.get(box) === "on";
}
readAll();
