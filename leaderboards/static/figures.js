// What a scenario makes of the candidates of the cost page. Each figure is explained in leaderboards/decide/decision.py, which
// makes the page as it opens by the same sums in the same order; a test in a browser compares the two. Needs numbers.js.
"use strict";

const data = JSON.parse(document.getElementById("cost-data").textContent);
const { cases, fields, presets, unit } = data;
const bytes = Uint8Array.from(atob(data.draws), (letter) => letter.charCodeAt(0));
const draws = new Int16Array(bytes.buffer); // draws × cases, in whole steps of a score
const places = [...cases.keys()];
const [NEVER, TAIL, RESOLVED] = [1e12, 0.025, 0.975];

// Figures of a scenario: leaderboards/decide/decision.py

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

const heldFor = (devices, scenario) => {
  let total = 0;
  for (const [device, count] of devices) {
    const hour = scenario[`hour${device}`];
    if (hour === null) return null;
    total += count * hour;
  }
  return scenario.hours * total;
};
const labelsOf = (count, scenario) => (scenario.owned ? 0 : count * scenario.label);

const costsOf = (one, scenario) => {
  const training = dollars(one.training, scenario);
  const serving = dollars(scenario.cache || one.uncached === null ? one.serving : one.uncached, scenario);
  const held = heldFor(one.devices, scenario);
  if (training === null || serving === null || held === null) return null;
  const again = one.tuned ? scenario.retrains : 0;
  const labels = labelsOf(one.labels, scenario) * (1 + again * scenario.relabel);
  const once = labels + training * (1 + scenario.retrains);
  const request = (serving * 100) / scenario.utilisation;
  const served = Math.max(request, held / scenario.volume);
  return { labels, once, request, held, served, total: once + Math.max(scenario.volume * request, held) };
};

// Dollars that a whole unit of score is worth.
const worthOfAll = (scenario, rightAnswer = scenario.right_answer_usd) =>
  scenario.volume * rightAnswer * data.right_per_score;

// Without the fine-tunes that are not shown to score more than untuned arms, if any is.
const advisable = (among) => {
  const proven = among.filter((place) => !cases[place].gain_unproven);
  return proven.some((place) => cases[place].tuned) ? proven : among;
};

const bestOf = (among, totals, worth) => {
  let best = null;
  let most = -Infinity;
  for (const place of among) {
    const value = worth * cases[place].score - totals[place];
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

// Lines of total cost against volume: leaderboards/money/payback.py

const totalAt = (line, requests) => line.once + Math.max(requests * line.request, line.held);
const risesAt = ({ request, held }, requests) => (request > 0 && requests >= held / request ? request : 0);
const undercuts = (line, other, after) => {
  if (other.request <= 0) return null;
  const fromRise = Math.max(after, other.held / other.request);
  const start = Math.max(fromRise, (line.once + line.held - other.once) / other.request);
  if (line.request < other.request) return Math.max(start, (line.once - other.once) / (other.request - line.request));
  return line.request > 0 && start < line.held / line.request ? start : null;
};

const breakEven = (line, other) => {
  if (other.request - line.request <= 0) return Infinity;
  if (totalAt(line, 0) <= totalAt(other, 0)) return 0;
  const needed = undercuts(line, other, 0);
  return needed !== null && needed <= NEVER ? needed : Infinity;
};

const payback = (line, other, why = null, spread = null) => {
  if (why) return { figure: why, ends: null };
  const needed = breakEven(line, other);
  const figure = needed === Infinity ? "never" : needed;
  if (spread === null || line.request <= 0 || other.request <= 0) return { figure, ends: null };
  const end = (sign) => breakEven(line, { ...other, request: other.request * Math.exp(sign * spread) });
  const open = Math.abs(Math.log(other.request / line.request)) < spread;
  return { figure: open ? "unresolved" : figure, ends: [end(1), end(-1)] };
};

const over = (rival, costs, scenario) => {
  const served = rival && dollars(rival.serving, scenario);
  const held = rival && heldFor(rival.devices, scenario);
  if (served === null || held === null) return null;
  const request = (served * 100) / scenario.utilisation;
  return payback(costs, { once: labelsOf(rival.labels, scenario), request, held }, rival.why, rival.spread);
};

const hostedLines = (one, scenario) => {
  const { api_input: input, api_output: output, api_cached: cached } = scenario;
  if (input === undefined) return { plain: null, fewShot: null };
  let tokens = one.prompt * input + one.completion * output;
  const plain = { once: 0, request: tokens / 1e6, held: 0 };
  if (one.examples === null) return { plain, fewShot: null };
  tokens += one.examples.tokens * (one.examples.shared ? cached ?? input : input);
  return { plain, fewShot: { once: labelsOf(one.few.labels, scenario), request: tokens / 1e6, held: 0 } };
};
const overHosted = (line, costs) => line && payback(costs, line);

const envelopeOf = (among, costs) => {
  const first = (a, b) => a.at - b.at || a.rises - b.rises || costs[a.place].request - costs[b.place].request || a.place - b.place;
  const starts = among.map((place) => ({ at: totalAt(costs[place], 0), rises: risesAt(costs[place], 0), place }));
  let [step] = starts.sort(first);
  const found = [];
  for (let from = 0; step; from = step && step.at) {
    const { place } = step;
    found.push({ from, place });
    const crossings = [];
    for (const other of among) {
      const at = other === place ? null : undercuts(costs[other], costs[place], from);
      if (at !== null) crossings.push({ at, rises: risesAt(costs[other], at), place: other });
    }
    [step] = crossings.sort(first);
  }
  return found;
};

const netsOf = (place, reference, worth, more) => {
  const value = worth * data.step;
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

// Of each case at `among`, in how many draws it is worth most after its costs, and what the best one is worth more on average.
const contestOf = (among, totals, worth) => {
  const value = worth * data.step;
  const wins = new Array(among.length).fill(0);
  const losses = new Array(among.length).fill(0);
  const values = new Float64Array(among.length);
  for (let at = 0; at < draws.length; at += cases.length) {
    let best = 0;
    for (let order = 0; order < among.length; order += 1) {
      values[order] = value * draws[at + among[order]] - totals[among[order]];
      if (values[order] > values[best]) best = order;
    }
    if (among.length) wins[best] += 1;
    for (let order = 0; order < among.length; order += 1) losses[order] += values[best] - values[order];
  }
  return { best: wins.map((count) => count / data.count), losses: losses.map((sum) => sum / data.count) };
};

const weigh = (scenario) => {
  const worth = worthOfAll(scenario);
  const costs = cases.map((one) => costsOf(one, scenario));
  const totals = costs.map((cost) => cost && cost.total);
  const known = places.filter((place) => costs[place]);
  const fit = known.filter((place) => !cases[place].forgets);
  const within = (among) => among.filter((place) => totals[place] <= scenario.budget_usd);
  const affordable = within(fit);
  const allUntuned = known.filter((place) => !cases[place].tuned);
  const untuned = within(allUntuned).length ? within(allUntuned) : allUntuned;
  const reference = bestOf(untuned, totals, worth);
  const stairs = staircase(known, totals, cases.map((one) => one.score));
  const onStairs = new Array(cases.length).fill(0);
  for (let at = 0; at < draws.length; at += cases.length) {
    const scores = draws.subarray(at, at + cases.length);
    for (const place of staircase(known, totals, scores)) onStairs[place] += 1;
  }
  const contest = contestOf(affordable, totals, worth);
  const figures = cases.map((one, place) => {
    const cost = costs[place];
    if (!cost) return null;
    const hosted = hostedLines(one, scenario);
    const order = affordable.indexOf(place);
    const made = {
      net: null,
      worth: null,
      best: order < 0 ? null : contest.best[order],
      loss: order < 0 ? null : contest.losses[order],
      frontier: onStairs[place] / data.count,
      perPoint: perPoint(place, stairs, totals),
      few: over(one.few, cost, scenario),
      fewUncached: over(one.few_uncached, cost, scenario),
      api: overHosted(hosted.plain, cost),
      apiFewShot: overHosted(hosted.fewShot, cost),
      correct: one.accuracy ? cost.served / one.accuracy : null,
    };
    if (reference === null || place === reference) return made;
    const more = totals[place] - totals[reference];
    const nets = netsOf(place, reference, worth, more);
    if (one.tuned && one.seeds_known) made.worth = worthOf(nets);
    const tail = Math.floor(data.count * TAIL);
    nets.sort();
    const value = worth * (one.score - cases[reference].score) - more;
    made.net = { value, low: nets[tail], high: nets[data.count - 1 - tail] };
    return made;
  });
  const tuned = known.filter((place) => cases[place].tuned);
  const first = bestOf(within(known), totals, worth);
  const [chosen, best] = [bestOf(advisable(affordable), totals, worth), bestOf(advisable(fit), totals, worth)];
  const bestTuned = bestOf(advisable(affordable).filter((place) => cases[place].tuned), totals, worth);
  const [cheapest = null] = [...fit].sort((a, b) => totals[a] - totals[b] || a - b);
  const excluded = best === chosen ? null : best;
  const passedOver = first === chosen ? null : first;
  const knowing = affordable.length ? Math.min(...contest.losses) : null;
  const found = { scenario, costs, totals, worth, known, fit, untuned, tuned, reference, stairs, figures };
  return { ...found, chosen, excluded, bestTuned, cheapest, knowing, passedOver };
};

// What the answer hangs on: leaderboards/decide/swings.py

const scaledBy = (scenario, input, factor) => {
  const names = input === "hour" ? fields.map(({ name }) => name).filter((name) => /^hour\d/.test(name)) : [input];
  const changed = { ...scenario };
  for (const name of names) {
    if (changed[name] !== null) changed[name] *= factor;
  }
  changed.utilisation = Math.min(changed.utilisation, 100);
  return changed;
};
const netAt = (place, untuned, scenario) => {
  const worth = worthOfAll(scenario);
  const totals = [];
  for (const known of [place, ...untuned]) totals[known] = costsOf(cases[known], scenario).total;
  const reference = bestOf(untuned, totals, worth);
  return worth * (cases[place].score - cases[reference].score) - (totals[place] - totals[reference]);
};
const swingsOf = ({ bestTuned, untuned, scenario }) => {
  const net = (input, factor) => {
    if (bestTuned === null || !untuned.length) return null;
    return netAt(bestTuned, untuned, scaledBy(scenario, input, factor));
  };
  const swings = data.inputs.map(([input, title]) => ({ title, half: net(input, 0.5), double: net(input, 2) }));
  return swings.sort((a, b) => Math.abs(b.double - b.half) - Math.abs(a.double - a.half));
};

const bestWithin = (budget, { fit, totals, worth }) => {
  const within = fit.filter((place) => totals[place] <= budget);
  const place = bestOf(advisable(within), totals, worth);
  return place === null ? null : { place, wins: contestOf(within, totals, worth).best[within.indexOf(place)] };
};
