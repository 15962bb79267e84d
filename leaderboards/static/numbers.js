// Numbers of the cost page: as Python writes them, as people write them, and on axes.
"use strict";

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
const significant = (value, digits) => {
  const shift = power(value) - digits + 1;
  return shift > 0 ? fixed(value / 10 ** shift, 0) * 10 ** shift : Number(fixed(value, -shift));
};
const usd = (amount) => {
  if (amount === 0) return "$0";
  if (amount < 1e-7) return "< $0.0000001";
  const rounded = significant(amount, 2);
  if (rounded >= 10) return `$${grouped(fixed(rounded, 0))}`;
  return `$${fixed(rounded, Math.max(2, 1 - power(rounded)))}`;
};
const roundUsd = (amount) => {
  if (amount < 0.095) return usd(amount);
  return amount >= 999.995 ? `$${grouped(fixed(amount, 0))}` : `$${fixed(amount, 2).replace(/\.00$/, "")}`;
};
const signed = (amount) => (amount === 0 ? "$0" : (amount > 0 ? "+" : "−") + usd(Math.abs(amount)));
const plain = (amount) => (amount < 0 ? "−" : "") + usd(Math.abs(amount));
const percent = (share) => (share < 0.01 ? "< 1 %" : share > 0.99 ? "> 99 %" : `${fixed(100 * share, 0)} %`);
const volume = (requests) => {
  const rounded = significant(requests, 3);
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
  if (value && (value < 1e-4 || value >= 1e15)) return `$${value.toExponential().replace("+", "")}`;
  if (value < 0.095) return `$${Number(value.toFixed(4))}`;
  return value < 1000 ? roundUsd(value) : `$${quantity(value)}`;
};
const requests = (value) => (value === 0 ? "at once" : volume(value));
// A gain in points, or in the unit of the metric that boards of one task may have.
const gainedIn = ({ whole, decimals }, score) => {
  const text = fixed(Math.abs(whole * score), decimals);
  return Number(text) === 0 ? text : (score > 0 ? "+" : "−") + text;
};
const said = (value, say) => (value === null ? "–" : typeof value === "string" ? value : say(value));

// A number as people write it: 1,000, 10 000, $0.25, 10k, 1.5M, 2e6; null for anything else.
const UNITS = { "": 1, k: 1e3, m: 1e6, b: 1e9 };
const numberOf = (text) => {
  const grouping = /^(-?\d{1,3})((?:[,\s_'’]\d{3})+)(?!\d)/;
  const plain = text.trim().replace(/^\$\s*/, "").replace(grouping, (digits) => digits.replace(/[^-\d]/g, ""));
  const parts = /^(-?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([kmb]?)$/i.exec(plain);
  return parts && Number((parts[1] * UNITS[parts[2].toLowerCase()]).toPrecision(15));
};

// Axes of powers of ten: leaderboards/chart/axes.py

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
