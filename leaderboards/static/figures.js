// What a scenario makes of the candidates of the cost page, axes, and numbers as people read them. Each figure is explained
// in leaderboards/decision.py, which makes the page as it opens by the same sums in the same order; a test in a browser
// compares the two.
"use strict";

const data = JSON.parse(document.getElementById("cost-data").textContent);
const { cases, fields, presets } = data;
const bytes = Uint8Array.from(atob(data.draws), (letter) => letter.charCodeAt(0));
const draws = new Int16Array(bytes.buffer); // draws × cases, in whole steps of a score
const places = [...cases.keys()];
const [NEVER, TAIL, RESOLVED] = [1e12, 0.025, 0.975];

// Numbers as Python writes them

// toFixed rounds an exact half up, Python to the even digit.
const fixed = (value, digits) => {
  const exact = value.toFixed(100);
  const end = exact.indexOf(".") + (digits && digits + 1);
  const downward = /^\.?50*$/.test(exact.slice(end)) && "02468".includes(exact[end - 1]);
  return downward ? exact.slice(0, end) : value.toFixed(digits);
};
const power = (value) => (value > 0 ? Number(value.toExponential(6).split("e")[1]) : 0);
const grouped = (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ",");
const usd = (amount) => {
  if (amount === 0) return "$0";
  if (amount >= 999.995) return `$${grouped(fixed(amount, 0))}`;
  if (amount >= 0.095) return `$${fixed(amount, 2)}`;
  return amount < 1e-7 ? "< $0.0000001" : `$${fixed(amount, 1 - power(amount))}`;
};
const roundUsd = (amount) => usd(amount).replace(/\.00$/, "");
const signed = (amount) => (amount === 0 ? "$0" : (amount > 0 ? "+" : "−") + usd(Math.abs(amount)));
const percent = (share) => (share < 0.01 ? "< 1 %" : share > 0.99 ? "> 99 %" : `${fixed(100 * share, 0)} %`);
const volume = (requests) => {
  const shift = power(requests) - 2;
  const rounded = shift > 0 ? fixed(requests / 10 ** shift, 0) * 10 ** shift : Number(fixed(requests, -shift));
  for (const [size, word] of [[1e12, "trillion"], [1e9, "billion"], [1e6, "million"]]) {
    if (rounded >= size) return `${Number((rounded / size).toPrecision(3))} ${word}`;
  }
  return grouped(fixed(rounded, 0));
};
const quantity = (value) => {
  for (const [size, unit] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]]) {
    if (value >= size) return `${value / size}${unit}`;
  }
  return `${value}`;
};
// A tick of an axis of dollars: short, and never the same as another.
const tickUsd = (value) => {
  if (value && (value < 1e-3 || value >= 1e15)) return `$${value.toExponential().replace("+", "")}`;
  return value < 1000 ? roundUsd(value) : `$${quantity(value)}`;
};
const requests = (value) => (value === 0 ? "at once" : volume(value));
const said = (value, say) => (value === null ? "–" : typeof value === "string" ? value : say(value));

// Axes of powers of ten: leaderboards/plots.py

const tenth = (value) => Math.floor(10 * value + 0.5) / 10;
const axis = (low, high, start, end, zero = false) => ({
  at(value) {
    if (!(value > 0)) return start;
    const share = Math.min(Math.max((Math.log10(value) - low) / (high - low), 0), 1);
    return start + (end - start) * (zero ? 0.1 + 0.9 * share : share);
  },
  get ticks() {
    const found = zero ? [0] : [];
    for (let exponent = low; exponent <= high; exponent += Math.ceil((high - low) / 8)) {
      for (const step of high - low <= 2 ? [1, 2, 5] : [1]) found.push(Number(`${step}e${exponent}`));
    }
    return found.filter((value) => value <= Number(`1e${high}`));
  },
});

// Figures of a scenario: leaderboards/decision.py

const dollars = (seconds, scenario) => {
  if (seconds === null) return null;
  let total = 0;
  for (const [device, spent] of seconds) {
    const hour = scenario[`hour${device}`];
    if (hour === null) return null;
    total += (spent / 3600) * hour;
  }
  return total;
};

const costsOf = (one, scenario) => {
  const training = dollars(one.training, scenario);
  const served = dollars(scenario.cache || one.uncached === null ? one.serving : one.uncached, scenario);
  if (training === null || served === null) return null;
  const labels = one.labels * scenario.label;
  const once = labels + training * (1 + scenario.retrains);
  const request = (served * 100) / scenario.utilisation;
  return { labels, once, request, total: once + scenario.volume * request };
};

const bestOf = (among, totals, point) => {
  let best = null;
  let most = -Infinity;
  for (const place of among) {
    const value = point * 100 * cases[place].score - totals[place];
    if (best === null || value > most) [best, most] = [place, value];
  }
  return best;
};

const shareOf = (holds) => {
  let found = 0;
  for (let at = 0; at < draws.length; at += cases.length) found += holds(at) ? 1 : 0;
  return found / data.count;
};

const staircase = (among, totals, scores) => {
  const order = [...among].sort((a, b) => totals[a] - totals[b] || scores[b] - scores[a] || a - b);
  const kept = [];
  for (const place of order) {
    const last = kept.at(-1);
    const equal = totals[place] === totals[last] && scores[place] === scores[last];
    if (last === undefined || scores[place] > scores[last] || equal) kept.push(place);
  }
  return kept;
};

const payback = (once, request, other) => {
  const saved = other - request;
  const needed = saved > 0 ? Math.max(0, once / saved) : Infinity;
  return needed > NEVER ? "never" : needed;
};

const over = (rival, costs, scenario) => {
  const served = rival && dollars(rival.serving, scenario);
  if (served === null) return null;
  return rival.why ?? payback(costs.once, costs.request, (served * 100) / scenario.utilisation);
};

const envelopeOf = (among, costs) => {
  const flattest = (a, b) => a.at - b.at || costs[a.place].request - costs[b.place].request || a.place - b.place;
  let [step] = among.map((place) => ({ at: costs[place].once, place })).sort(flattest);
  const found = step ? [{ from: 0, place: step.place }] : [];
  while (step) {
    const now = costs[step.place];
    [step] = among
      .filter((place) => costs[place].request < now.request)
      .map((place) => ({ at: (costs[place].once - now.once) / (now.request - costs[place].request), place }))
      .sort(flattest);
    if (step) found.push({ from: step.at, place: step.place });
  }
  return found;
};

const netsOf = (place, reference, point, more) => {
  const value = point * 100 * data.step;
  const nets = new Float64Array(data.count);
  for (let draw = 0, at = 0; draw < data.count; draw += 1, at += cases.length) {
    nets[draw] = value * (draws[at + place] - draws[at + reference]) - more;
  }
  return nets;
};
const worthOf = (nets) => nets.reduce((sum, net) => sum + (net > 0 ? 1 : 0), 0) / data.count;

const perPoint = (place, stairs, totals) => {
  const before = stairs[stairs.indexOf(place) - 1];
  if (!stairs.includes(place)) return "dominated";
  if (before === undefined) return null;
  const gained = cases[place].score - cases[before].score;
  if (gained <= 0 || shareOf((at) => draws[at + place] > draws[at + before]) < RESOLVED) return "unresolved";
  return (totals[place] - totals[before]) / (100 * gained);
};

const weigh = (scenario) => {
  const { point } = scenario;
  const costs = cases.map((one) => costsOf(one, scenario));
  const totals = costs.map((cost) => cost && cost.total);
  const known = places.filter((place) => costs[place]);
  const fit = known.filter((place) => !cases[place].forgets);
  const untuned = known.filter((place) => !cases[place].tuned);
  const reference = bestOf(untuned, totals, point);
  const stairs = staircase(known, totals, cases.map((one) => one.score));
  const onStairs = new Array(cases.length).fill(0);
  for (let at = 0; at < draws.length; at += cases.length) {
    const scores = draws.subarray(at, at + cases.length);
    for (const place of staircase(known, totals, scores)) onStairs[place] += 1;
  }
  const figures = cases.map((one, place) => {
    const cost = costs[place];
    if (!cost) return null;
    const tokens = one.prompt * scenario.api_input + one.completion * scenario.api_output;
    const made = {
      net: null,
      worth: null,
      frontier: onStairs[place] / data.count,
      perPoint: perPoint(place, stairs, totals),
      few: over(one.few, cost, scenario),
      fewUncached: over(one.few_uncached, cost, scenario),
      api: scenario.api_input === undefined ? null : payback(cost.once, cost.request, tokens / 1e6),
      correct: one.accuracy ? cost.request / one.accuracy : null,
    };
    if (reference === null || place === reference) return made;
    const more = totals[place] - totals[reference];
    const nets = netsOf(place, reference, point, more);
    if (one.tuned) made.worth = worthOf(nets);
    const tail = Math.floor(data.count * TAIL);
    nets.sort();
    const value = point * 100 * (one.score - cases[reference].score) - more;
    made.net = { value, low: nets[tail], high: nets[data.count - 1 - tail] };
    return made;
  });
  const tuned = known.filter((place) => cases[place].tuned);
  const [first, chosen] = [bestOf(known, totals, point), bestOf(fit, totals, point)];
  const bestTuned = bestOf(fit.filter((place) => cases[place].tuned), totals, point);
  const passedOver = first !== null && cases[first].forgets ? first : null;
  const found = { scenario, costs, totals, known, fit, untuned, tuned, reference, stairs, figures };
  return { ...found, chosen, bestTuned, passedOver };
};

const bestWithin = (budget, { fit, totals }) => {
  const within = fit.filter((place) => totals[place] <= budget);
  const wins = shareOf((at) => within.every((place) => draws[at + place] <= draws[at + within[0]]));
  return within.length ? { place: within[0], wins } : null;
};
