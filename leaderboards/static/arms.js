// Choose whose answers the sample pages show: any two or three arms, all seeds or one. The answers of an arm lie in a
// file; its scores and words were made when the site was built. Nothing in them is ever markup: texts are set as text.
"use strict";

const SHAPES = {
  fixed: "▲", broken: "▼", "both wrong": "✗", "both right": "✓", better: "▲", worse: "▼", same: "=", "not scored": "○",
};
const MOST_MARKS = 60; // of one kind, as leaderboards/pages/samples_page/strip.py has it
const MAJORITY = 0.5;
const PARTS = ["against", "judged", "also", "seed"];

const slug = (word) => word.replace(" ", "-");
const about = document.getElementById("about");
const notes = document.querySelector(".intro dl.pairs");
const made = {
  about: about.textContent,
  tally: Array.from(tally.children),
  titles: new Map(Array.from(tally.querySelectorAll(".cells a"), (link) => [placeIn(link), link.title])),
  samples: samples.map(({ article, kind: word, gain }) => ({
    word: wordOf(word), gain, answers: Array.from(article.querySelector(".said-by").children),
  })),
};
let arms = null;

// Files: a script and not a request, for pages opened from a disk may not read files, only run them.

const records = new Map();
const files = new Map();
window.gainboardAnswers = (record) => records.set(record.row, record);
const load = (row) => {
  if (!files.has(row)) {
    files.set(row, new Promise((resolve) => {
      const script = element("script", { src: `${section.dataset.answers}${row}.js` });
      script.addEventListener("load", () => resolve(records.get(row)));
      script.addEventListener("error", () => { files.delete(row); resolve(undefined); });
      document.head.append(script);
    }));
  }
  return files.get(row);
};

// Samples

// How far two scores may be apart and count as the same, as margins() of leaderboards/rank/changes.py has it.
const HALF_A_DIGIT = 0.0005;
const marginBetween = (before, after) => {
  if (!arms.parts) return 0;
  const gains = before.flatMap((score, index) => (score === null || after[index] === null ? [] : [after[index] - score]));
  const moved = gains.length ? Math.abs(gains.reduce((sum, gain) => sum + gain, 0)) / gains.length : 0;
  return Math.max(moved, HALF_A_DIGIT);
};

const changeOf = (before, after, margin) => {
  if (before === null || after === null) return "not scored";
  if (arms.graded) {
    if (Math.abs(after - before) <= margin) return "same";
    return after > before ? "better" : "worse";
  }
  const [wasRight, isRight] = [before > MAJORITY, after > MAJORITY];
  if (wasRight === isRight) return isRight ? "both right" : "both wrong";
  return isRight ? "fixed" : "broken";
};

// Scores and stamps of all seeds, or of one; and the run whose words are shown. One run may stand for every seed.
const viewOf = (record, seed) => {
  if (seed === "") return { record, run: record.runs[0], scored: record.all };
  const run = record.runs.find((one) => String(one.seed) === seed) ?? (record.runs.length === 1 ? record.runs[0] : null);
  return { record, run, scored: run };
};

const panel = (label, { record, run, scored }, index) => {
  const head = element("h3", {}, `${label} `);
  const part = element("div", {}, head);
  const answer = run ? run.answers[index] : null;
  if (answer === null) {
    head.append(element("span", { className: "stamp muted" }, "not asked"));
    return part;
  }
  const [text, tone] = record.stamps[scored.stamps[index]];
  const [ownText, ownTone] = record.stamps[run.stamps[index]];
  const { completion, thought, error } = run.more[index] ?? {};
  const draw = record.draws > 1 ? ", the first draw" : "";
  head.append(element("span", { className: `stamp ${tone}` }, text));
  if (answer) part.append(element("code", {}, answer));
  else if (!error) part.append(element("p", { className: "nothing" }, `no answer${completion ? " found in what was written" : ""}`));
  const differs = !arms.graded && tone !== ownTone && tone !== "muted" && ownTone !== "muted";
  if (differs) part.append(element("p", { className: "nothing" }, `this one is ${ownText}`));
  if (thought) part.append(element("details", {}, element("summary", {}, `Thought${draw}`), element("p", {}, thought)));
  if (completion) part.append(element("p", { className: "written" }, `As written${draw}`), element("code", {}, completion));
  if (error) part.append(element("p", { className: "fault" }, `Error: ${error}`));
  return part;
};

const kindMark = (name, word, settings = {}) => {
  const shape = element("span", {}, SHAPES[word]);
  shape.setAttribute("aria-hidden", "true");
  return element(name, { className: `kind ${slug(word)}`, ...settings }, shape, ` ${word}`);
};

const setKind = (sample, word, gain) => {
  Object.assign(sample, { kind: slug(word), gain });
  sample.article.dataset.kind = sample.kind;
  const head = sample.article.querySelector("h2");
  head.querySelector(".kind").remove();
  head.prepend(kindMark("span", word));
};

const hrefOf = (place, hash) => {
  const number = arms.starts.filter((start) => start <= place).length;
  return `${section.dataset.pages}${number}.html${location.search}#${hash}`;
};

const tallyOf = (words, gains) => {
  const order = arms.graded ? ["better", "worse", "same", "not scored"] : ["fixed", "broken", "both wrong", "both right", "not scored"];
  return order.filter((word) => words.includes(word)).map((word) => {
    const places = words.flatMap((is, index) => (is === word ? [index + 1] : []));
    const count = places.length;
    if (arms.graded) places.sort((a, b) => Math.abs(gains[b - 1]) - Math.abs(gains[a - 1]) || a - b);
    const cells = element("span", { className: "cells" }, ...places.slice(0, MOST_MARKS).map((place, rank) => element("a", {
      href: hrefOf(place, `sample-${place}`), title: made.titles.get(place) ?? String(place), tabIndex: rank ? -1 : 0,
    })));
    if (count > MOST_MARKS) cells.append(element("small", {}, `and ${(count - MOST_MARKS).toLocaleString("en-US")} more`));
    const head = kindMark("a", word, { href: hrefOf(1, slug(word)) });
    const line = element("li", {}, head, " ", element("strong", {}, count.toLocaleString("en-US")), " ", cells);
    Object.assign(line.dataset, { kind: slug(word), word });
    return line;
  });
};

const showAsMade = () => {
  samples.forEach((sample, index) => {
    const { word, gain, answers } = made.samples[index];
    sample.article.querySelector(".said-by").replaceChildren(...answers);
    setKind(sample, word, gain);
  });
  tally.replaceChildren(...made.tally);
  changesOfAll = null;
  about.textContent = made.about;
  notes.hidden = false;
};

// `views`: label and view by part, in the order they are shown.
const showArms = (views, seed) => {
  const nothing = new Array(arms.samples).fill(null);
  const [before, after] = ["against", "judged"].map((part) => views.get(part).view.scored?.scores ?? nothing);
  const margin = marginBetween(before, after);
  const words = before.map((score, index) => changeOf(score, after[index], margin));
  const gains = words.map((word, index) => (word === "not scored" ? 0 : after[index] - before[index]));
  for (const sample of samples) {
    const index = sample.place - 1;
    const panels = Array.from(views.values(), ({ label, view }) => panel(label, view, index));
    sample.article.querySelector(".said-by").replaceChildren(...panels);
    setKind(sample, words[index], gains[index]);
  }
  tally.replaceChildren(...tallyOf(words, gains));
  changesOfAll = words.map((word, index) => [slug(word), gains[index]]);
  const [base, judged] = ["against", "judged"].map((part) => views.get(part).label);
  const meaning = arms.graded
    ? `Better, worse or same: the mean score of ${judged} against that of ${base}.`
    : `Fixed: ${base} is wrong and ${judged} is right; broken: the reverse.`;
  const ofParts = "A sample’s score is its part of the whole score. It counts as changed where it moved by more than the whole did.";
  const ofAll = arms.parts ? ` ${ofParts}` : arms.graded ? "" : " Right means right in most seeds and wordings.";
  about.textContent = base === judged ? "Both are the same arm: choose another." : meaning + (seed === "" ? ofAll : ` Of seed ${seed} alone, in its first wording.`);
  notes.hidden = true;
};

// The chooser

const chooser = element("form", { className: "chooser arms" });
const selects = new Map();
const offer = (part, title, options) => {
  const select = element("select", { autocomplete: "off" }, ...options.map(([value, text]) => element("option", { value }, text)));
  selects.set(part, select);
  chooser.append(element("label", {}, element("span", {}, title), select));
};
const chosen = () => PARTS.map((part) => selects.get(part).value);
const isAsMade = () => chosen().join() === PARTS.map((part) => arms.shown[part] ?? "").join();

const choose = async (remark) => {
  const before = chosen();
  const [against, judged, also, seed] = before;
  if (isAsMade()) showAsMade();
  else {
    const parts = [["also", also], ["against", against], ["judged", judged]].filter(([, row]) => row);
    const loaded = await Promise.all(parts.map(([, row]) => load(row)));
    if (chosen().join() !== before.join()) return; // another one was chosen meanwhile
    if (loaded.includes(undefined)) {
      said.textContent = "These answers could not be loaded; the samples below are those of the arms they name.";
      return;
    }
    const views = parts.map(([part, row], index) => [part, {
      label: arms.rows.find((one) => one.row === row).label, view: viewOf(loaded[index], seed),
    }]);
    showArms(new Map(views), seed);
  }
  offerKinds();
  fromAddress();
  arrange();
  if (remark) said.textContent = `${remark}${said.textContent}`;
};

// What the address asks for and is not there, in words.
const fromQuery = () => {
  const query = new URLSearchParams(location.search);
  const unknown = [];
  for (const [part, select] of selects) {
    const value = query.get(part);
    if (value === null) continue;
    if (Array.from(select.options).some((option) => option.value === value)) select.value = value;
    else if (value) unknown.push(`“${value.length > 80 ? `${value.slice(0, 80)}…` : value}”`);
  }
  // Two arms alone are asked for by naming them alone.
  if ((query.has("against") || query.has("judged")) && !query.has("also")) selects.get("also").value = "";
  return unknown.length ? `There is no ${unknown.join(" or ")} here. ` : "";
};

window.gainboardArms = async (record) => {
  arms = record;
  const rows = arms.rows.map(({ row, label }) => [row, label]);
  const seeds = [...new Set(arms.rows.flatMap((row) => row.seeds))].sort((a, b) => a - b);
  offer("against", "Baseline", rows);
  offer("judged", "Judged", rows);
  offer("also", "Also shown", [["", "–"], ...rows]);
  offer("seed", "Seeds", [["", "all"], ...seeds.map((seed) => [String(seed), String(seed)])]);
  for (const part of PARTS) selects.get(part).value = arms.shown[part] ?? "";
  tools.before(chooser);
  const wanted = location.hash.slice(1);
  const remark = fromQuery();
  if (remark || !isAsMade()) await choose(remark);
  // A link to a class leads to the first page that has some of it.
  const places = Array.from(tally.querySelectorAll(`li[data-kind="${CSS.escape(wanted)}"] .cells a`), placeIn);
  if (places.length && !samples.some((sample) => sample.kind === wanted)) location.replace(hrefOf(Math.min(...places), wanted));
};

chooser.addEventListener("submit", (event) => event.preventDefault());
chooser.addEventListener("change", () => {
  const query = new URLSearchParams();
  if (!isAsMade()) for (const [part, select] of selects) if (select.value) query.set(part, select.value);
  history.replaceState(null, "", location.pathname + (query.size ? `?${query}` : "") + location.hash);
  choose("");
});
