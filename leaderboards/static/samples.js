// Show the samples of one class. Without this file all of them are shown.
"use strict";

(() => {
  const tally = document.getElementById("tally");
  if (!tally) return;
  const samples = Array.from(document.querySelectorAll("article.sample"));
  const pages = Array.from(document.querySelectorAll(".pager a"), (link) => [link, link.getAttribute("href")]);
  const kinds = Array.from(tally.children, (item) => ({ kind: item.dataset.kind, word: item.dataset.word }));

  const filter = document.createElement("fieldset");
  filter.className = "choices";
  filter.appendChild(document.createElement("legend")).textContent = "Show";
  const radios = new Map();
  for (const { kind, word } of [{ kind: "", word: "all" }, ...kinds]) {
    const label = document.createElement("label");
    const radio = document.createElement("input");
    Object.assign(radio, { type: "radio", name: "kind", value: kind });
    label.append(radio, ` ${word}`);
    filter.append(label);
    radios.set(kind, radio);
  }
  const said = document.createElement("p");
  said.className = "said";
  said.setAttribute("role", "status");
  tally.after(filter, said);

  const show = (kind) => {
    radios.get(kind).checked = true;
    let shown = 0;
    for (const sample of samples) {
      sample.hidden = kind !== "" && sample.dataset.kind !== kind;
      shown += sample.hidden ? 0 : 1;
    }
    // The other pages show the same class.
    for (const [link, href] of pages) link.setAttribute("href", kind ? `${href}#${kind}` : href);
    const elsewhere = kind && pages.length ? "; the other pages have their own" : "";
    said.textContent = `${shown} of the ${samples.length} samples on this page${elsewhere}.`;
  };

  // The address may name a class, or a sample of this page; then all are shown.
  const fromAddress = () => {
    const kind = location.hash.slice(1);
    show(radios.has(kind) ? kind : "");
  };

  filter.addEventListener("change", (event) => {
    const kind = event.target.value;
    history.replaceState(null, "", kind ? `#${kind}` : location.href.split("#")[0]);
    show(kind);
  });
  window.addEventListener("hashchange", fromAddress);
  fromAddress();
})();
