// Search and order the samples of all pages: a list of links below the tools, from a file that is loaded when it is first
// wanted. Without it, search and order are those of the page.
"use strict";

(() => {
  const MOST_LISTED = 60;
  const list = element("ol", { className: "everywhere" });
  const heading = element("p", { className: "said" });
  const found = element("div", { hidden: true }, heading, list);
  heading.setAttribute("role", "status");
  tools.after(found);

  let index = null;
  let loading = null;
  window.gainboardSamples = (record) => { index = record; };
  // A script and not a request, for pages opened from a disk may not read files, only run them.
  const load = () => {
    loading ??= new Promise((resolve) => {
      const script = element("script", { src: section.dataset.index });
      script.addEventListener("load", resolve);
      script.addEventListener("error", resolve);
      document.head.append(script);
    });
    return loading;
  };

  const all = () => index.samples.map(([name, text, made, gain], row) => {
    const [is, moved] = changesOfAll?.[row] ?? [made, gain];
    return { name, text, kind: is, gain: moved, place: row + 1 };
  });
  const lineOf = ({ name, kind: is, place }) => {
    const page = index.starts.filter((start) => start <= place).length;
    const href = `${section.dataset.pages}${page}.html${location.search}#sample-${place}`;
    return element("li", {}, element("a", { href }, name), element("small", {}, ` no. ${place}${is && ` · ${wordOf(is)}`}`));
  };

  whenShown = async () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    found.hidden = !words.length && !order.value;
    if (found.hidden) return;
    await load();
    if (!index) {
      heading.textContent = "The other pages could not be searched: their index could not be loaded.";
      return;
    }
    const fits = all().filter((sample) => (kind === "" || sample.kind === kind) && words.every((word) => sample.text.includes(word)));
    const sorted = order.value ? byChange(fits) : fits;
    const count = fits.length.toLocaleString("en-US");
    const first = fits.length > MOST_LISTED ? `; the first ${MOST_LISTED}` : "";
    heading.textContent = `On all ${index.starts.length} pages, by input and target: ${count} of ${index.samples.length.toLocaleString("en-US")} samples${first}${fits.length ? ":" : "."}`;
    list.replaceChildren(...sorted.slice(0, MOST_LISTED).map(lineOf));
  };
  show();
})();
