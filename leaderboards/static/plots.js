// The charts of the cost page, drawn again when an input changes: leaderboards/chart/cost.py. Needs numbers.js and figures.js.
"use strict";

const [LEFT, RIGHT, TOP, BOTTOM] = [66, 690, 22, 280];

const node = (name, attributes, text = "") => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  return made;
};

const xTicks = (scale, say) => scale.ticks.flatMap((value) => {
  const x = tenth(scale.at(value));
  const label = { class: "tick", x, y: BOTTOM + 19, "text-anchor": "middle" };
  return [node("path", { class: "axis-tick", d: `M${x} ${BOTTOM}v5` }), node("text", label, say(value))];
});

const yTicks = (scale, say) => scale.ticks.flatMap((value) => {
  const y = tenth(scale.at(value));
  const label = { class: "tick", x: LEFT - 8, y: y + 4, "text-anchor": "end" };
  return [node("path", { class: "rule", d: `M${LEFT} ${y}H${RIGHT}` }), node("text", label, say(value))];
});

const trace = (xs, ys, title, kind = "") => {
  const line = node("polyline", { class: `trace ${kind}`, points: xs.map((x, at) => `${tenth(x)},${tenth(ys[at])}`).join(" ") });
  line.append(node("title", {}, title));
  return line;
};

const endLabel = (place, y) => {
  const at = tenth(y < TOP + 16 ? y + 16 : y - 8);
  return node("text", { class: "label", x: RIGHT, y: at, "text-anchor": "end" }, cases[place].short);
};

// The names of lines at their ends: of the strong one first, then of the others, as far as there is room between them.
const endLabels = (ends, strong) => {
  const labels = [];
  for (const place of [...ends.keys()].sort((a, b) => (b === strong) - (a === strong))) {
    const label = endLabel(place, ends.get(place));
    const apart = (other) => Math.abs(label.getAttribute("y") - other.getAttribute("y")) >= 15;
    if (labels.every(apart)) labels.push(label);
  }
  return labels;
};

// Where a line that begins above another one first falls to it.
const crossingOf = (xs, ys, others) => {
  for (let step = 0; step + 1 < xs.length; step += 1) {
    const [gap, next] = [others[step] - ys[step], others[step + 1] - ys[step + 1]];
    if (gap > 0 && next <= 0) {
      const share = gap / (gap - next);
      const [cx, cy] = [xs, ys].map((at) => tenth(at[step] + share * (at[step + 1] - at[step])));
      const mark = node("circle", { class: "crossing", cx, cy, r: 5 });
      mark.append(node("title", {}, "Break-even with the best without tuning"));
      return [mark];
    }
  }
  return [];
};

const inside = (chart, part, nodes) => document.querySelector(`#${chart} ${part}`).replaceChildren(...nodes);
const setPath = (chart, part, path) => document.querySelector(`#${chart} ${part}`).setAttribute("d", path);

const showLines = (chart, x, lines, say, mine) => {
  inside(chart, ".x-axis", xTicks(x, say));
  setPath(chart, ".divide", `M${tenth(x.at(mine))} ${TOP}V${BOTTOM}`);
  inside(chart, ".traces", lines);
};

const showTotals = ({ scenario, costs, known, chosen, reference }) => {
  const first = Math.max(0, power(scenario.volume) - 3);
  const x = axis(first, first + 6, LEFT, RIGHT);
  const volumes = Array.from({ length: 25 }, (_, step) => 10 ** (first + step / 4));
  const totals = (place) => volumes.map((value) => totalAt(costs[place], value));
  const lines = new Map(known.map((place) => [place, totals(place)]));
  const all = [...lines.values()];
  const lowest = volumes.map((_, step) => Math.min(...all.map((line) => line[step])));
  const above = all.flat().filter((value) => value > 0);
  const low = power(above.length ? Math.min(...above) : 1);
  const largest = all.length ? Math.max(...all.map((line) => line.at(-1))) : 1;
  const y = axis(low, Math.max(power(largest), low) + 1, BOTTOM, TOP, lowest.includes(0));
  const drawn = (line, title, kind) => trace(volumes.map(x.at), line.map(y.at), title, kind);
  const others = known.filter((place) => place !== chosen);
  const traces = all.length ? [drawn(lowest, "The lowest total cost", "envelope")] : [];
  traces.push(...others.map((place) => drawn(lines.get(place), cases[place].label, cases[place].method)));
  if (chosen !== null) traces.push(drawn(lines.get(chosen), cases[chosen].label, `chosen ${cases[chosen].method}`));
  showLines("total-plot", x, traces, quantity, scenario.volume);
  inside("total-plot", ".y-axis", yTicks(y, tickUsd));
  inside("total-plot", ".labels", endLabels(new Map([...lines].map(([place, line]) => [place, y.at(line.at(-1))])), chosen));
  const crosses = chosen !== reference && lines.has(chosen) && lines.has(reference);
  const heights = (place) => lines.get(place).map(y.at);
  inside("total-plot", ".crossings", crosses ? crossingOf(volumes.map(x.at), heights(chosen), heights(reference)) : []);
};

const showWorth = ({ scenario, totals, tuned, untuned, bestTuned }) => {
  const first = power(scenario.right_answer_usd) - 2;
  const x = axis(first, first + 5, LEFT, RIGHT);
  const values = Array.from({ length: 41 }, (_, step) => 10 ** (first + step / 8));
  const lines = new Map((untuned.length ? tuned.filter((place) => cases[place].seeds_known) : []).map((place) => [place, []]));
  for (const value of values) {
    const worth = worthOfAll(scenario, value);
    const reference = bestOf(untuned, totals, worth);
    for (const [place, line] of lines) line.push(worthOf(netsOf(place, reference, worth, totals[place] - totals[reference])));
  }
  const height = (share) => BOTTOM - (BOTTOM - TOP) * share;
  const drawn = (place, kind) => trace(values.map(x.at), lines.get(place).map(height), cases[place].label, kind);
  const traces = [...lines.keys()].filter((place) => place !== bestTuned).map((place) => drawn(place, cases[place].method));
  if (lines.has(bestTuned)) traces.push(drawn(bestTuned, `chosen ${cases[bestTuned].method}`));
  showLines("worth-plot", x, traces, tickUsd, scenario.right_answer_usd);
  inside("worth-plot", ".labels", endLabels(new Map([...lines].map(([place, line]) => [place, height(line.at(-1))])), bestTuned));
};

const showStairs = ({ totals, stairs }) => {
  const known = totals.filter((total) => total > 0);
  const low = power(known.length ? Math.min(...known) : 1);
  const high = Math.max(power(known.length ? Math.max(...known) : 1), low) + 1;
  const x = axis(low, high, LEFT + 12, RIGHT - 12, totals.includes(0));
  const at = (place) => tenth(x.at(totals[place]));
  inside("stairs-plot", ".x-axis", xTicks(x, tickUsd));
  document.querySelectorAll("#stairs-plot .spots > g").forEach((spot, place) => {
    const { label, points, y } = cases[place];
    const unknown = totals[place] === null;
    spot.setAttribute(unknown ? "display" : "transform", unknown ? "none" : `translate(${at(place)} ${y})`);
    spot.removeAttribute(unknown ? "transform" : "display");
    spot.classList.toggle("frontier-mark", stairs.includes(place));
    spot.querySelector("title").textContent = unknown ? label : `${label}: ${points}, ${usd(totals[place])}`;
  });
  const [start, ...rest] = stairs;
  const steps = rest.map((place) => `H${at(place)}V${cases[place].y}`).join("");
  setPath("stairs-plot", ".stairs", stairs.length ? `M${at(start)} ${cases[start].y}${steps}H${RIGHT}` : "");
  const labels = [];
  let above = -Infinity;
  for (let step = stairs.length - 1; step >= 0; step -= 1) {
    const [place, next] = [stairs[step], stairs[step + 1]];
    const y = tenth(cases[place].y - 9);
    if (cases[place].y - 9 - above < 16) continue;
    const { short, wide } = cases[place];
    const room = at(place) - wide > LEFT;
    const covers = next !== undefined && at(next) < at(place) + 12 + wide && cases[place].y - 9 - cases[next].y < 16;
    if (!room && covers) continue;
    above = y;
    const attributes = { class: "label", x: tenth(at(place) + (room ? -6 : 6)), y, "text-anchor": room ? "end" : "start" };
    labels.push(node("text", attributes, short));
  }
  inside("stairs-plot", ".labels", labels);
};
