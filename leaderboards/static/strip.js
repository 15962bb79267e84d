// Arrow keys lead from mark to mark of the samples. Of each kind the first can be reached with Tab without this file.
"use strict";

document.getElementById("tally")?.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const cells = event.target.closest(".cells");
  if (!step || !cells || event.ctrlKey || event.metaKey || event.altKey) return;
  const links = Array.from(cells.querySelectorAll("a"));
  const next = links[links.indexOf(event.target) + step];
  if (!next) return;
  event.preventDefault();
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});
