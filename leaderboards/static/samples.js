// Filter, search and order the samples of a page, and go from one to the next. Without this file the page shows all of
// them. arms.js, which chooses whose answers are shown, builds on it.
"use strict";

const section = document.getElementById("samples");
const tally = document.getElementById("tally");

const placeIn = (link) => Number(link.hash.replace("#sample-", ""));
const pageOf = (href) => href.split(/[?#]/)[0];

const samples = Array.from(section.querySelectorAll("article.sample"), (article) => ({
  article,
  place: Number(article.id.replace("sample-", "")),
  kind: article.dataset.kind,
  gain: Number(article.dataset.gain ?? 0),
}));
const pagerLinks = Array.from(section.querySelectorAll(".pager a"), (link) => [link, pageOf(link.getAttribute("href"))]);

const element = (name, settings = {}, ...inside) => {
  const made = Object.assign(document.createElement(name), settings);
  made.append(...inside);
  return made;
};

// Tools

const filter = element("fieldset", { className: "choices" }, element("legend", {}, "Show"));
const search = element("input", { type: "search", autocomplete: "off", spellcheck: false });
const order = element("select", { autocomplete: "off" },
  element("option", { value: "" }, "data set"), element("option", { value: "change" }, "change"));
const next = element("button", { type: "button" });
next.setAttribute("aria-keyshortcuts", "n");
const said = element("p", { className: "said" });
said.setAttribute("role", "status");
const tools = element("form", { className: "tools" },
  filter, element("label", {}, "Search ", search), element("label", {}, "Order by ", order), next, said);
tools.setAttribute("role", "search");
tally.after(tools);
tools.addEventListener("submit", (event) => event.preventDefault());

// What looks at all pages, where there are several; and what became of every sample, once other arms were chosen.
let whenShown = null;
let changesOfAll = null;

// What became of a sample, as addresses spell it; empty for all.
let kind = "";
const radios = new Map();
const kinds = () => Array.from(tally.children, (line) => line.dataset.kind);
const wordOf = (name) => name.replace("-", " ");

const offerKinds = () => {
  filter.querySelectorAll("label").forEach((label) => label.remove());
  radios.clear();
  for (const name of ["", ...kinds()]) {
    const radio = element("input", { type: "radio", name: "kind", value: name, checked: name === kind });
    filter.append(element("label", {}, radio, ` ${wordOf(name) || "all"}`));
    radios.set(name, radio);
  }
};

// What "next" goes to.
const goal = () => kind || (samples.some((sample) => ["better", "worse", "same"].includes(sample.kind)) ? "better" : "fixed");

const show = () => {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const sample of samples) {
    const text = words.length ? sample.article.textContent.toLowerCase() : "";
    sample.article.hidden = (kind !== "" && sample.kind !== kind) || !words.every((word) => text.includes(word));
    shown += sample.article.hidden ? 0 : 1;
  }
  radios.get(kind).checked = true;
  // The other pages show the same class, of the same arms.
  for (const [link, href] of pagerLinks) link.setAttribute("href", href + location.search + (kind && `#${kind}`));
  const count = kind && tally.querySelector(`[data-kind="${kind}"] strong`).textContent;
  said.textContent = `${shown} of the ${samples.length} samples on this page${kind && pagerLinks.length ? `; ${count} ${wordOf(kind)} in all` : ""}.`;
  next.textContent = `Next ${wordOf(goal())} (n)`;
  whenShown?.();
};

// Graded samples by their gain, the greatest loss first.
const WORST_FIRST = ["broken", "fixed", "both-wrong", "both-right", "not-scored"];
const byChange = (some) => {
  const rank = (sample) => (goal() === "better" || WORST_FIRST.indexOf(sample.kind) < 0 ? sample.gain : WORST_FIRST.indexOf(sample.kind));
  return [...some].sort((a, b) => rank(a) - rank(b) || a.place - b.place);
};
const arrange = () => {
  const sorted = order.value ? byChange(samples) : samples;
  const end = section.querySelector(".pager:last-child");
  for (const sample of sorted) section.insertBefore(sample.article, end);
};

// From one to the next, on this page or another

// Where one is: at the sample that was gone to last, unless a reader has scrolled on since.
let latest = null;
for (const moved of ["wheel", "touchmove"]) window.addEventListener(moved, () => { latest = null; }, { passive: true });

const go = (step) => {
  const isAhead = (article) => article.getBoundingClientRect().top * step > 8;
  const shown = Array.from(section.querySelectorAll(`article[data-kind="${goal()}"]:not([hidden])`));
  if (step < 0) shown.reverse();
  const ahead = shown.includes(latest) ? shown[shown.indexOf(latest) + 1] : shown.find(isAhead);
  if (ahead) {
    latest = ahead;
    ahead.scrollIntoView({ block: "start" });
    ahead.querySelector("h2 a").focus({ preventScroll: true });
    return;
  }
  const places = samples.map((sample) => sample.place);
  const isBeyond = (place) => (step > 0 ? place > Math.max(...places) : place < Math.min(...places));
  const beyond = Array.from(tally.querySelectorAll(`[data-kind="${goal()}"] .cells a`))
    .filter((link) => isBeyond(placeIn(link)))
    .sort((a, b) => step * (placeIn(a) - placeIn(b)))[0];
  if (beyond) location.assign(`${pageOf(beyond.href)}${location.search}#${goal()}`);
  else said.textContent = `No ${step > 0 ? "further" : "earlier"} ${wordOf(goal())} sample.`;
};
next.addEventListener("click", () => go(1));
document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input:not([type=radio]), select, textarea");
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "n") go(1);
  if (event.key === "p") go(-1);
});

// The address may name a class, or a sample of this page; then all are shown.
const fromAddress = () => {
  const name = location.hash.slice(1);
  kind = radios.has(name) ? name : "";
  show();
};

filter.addEventListener("change", (event) => {
  kind = event.target.value;
  history.replaceState(null, "", location.pathname + location.search + (kind && `#${kind}`));
  show();
});
search.addEventListener("input", show);
order.addEventListener("change", () => { arrange(); whenShown?.(); });
window.addEventListener("hashchange", fromAddress);
offerKinds();
fromAddress();
