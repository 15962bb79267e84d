// Gathers verdicts and hands them over as JSON lines. Everything on the page can be read without this script.
"use strict";

const ASKS = { accept: "A remark, if you have one", reject: "What is wrong?", fix: "How should it be worded?" };

const tray = document.querySelector(".tray");
const reviewer = tray.querySelector("input");
const button = tray.querySelector("button");
const prompts = Array.from(document.querySelectorAll("article[data-item]"));
let unsaved = false;

const opinionOf = (prompt) => prompt.querySelector("input:checked")?.value;
const noteOf = (prompt) => prompt.querySelector("textarea").value.trim();
// Why a prompt was refused, or how to mend it, is what the task's author needs to know.
const isJudged = (prompt) => opinionOf(prompt) === "accept" || (opinionOf(prompt) !== undefined && noteOf(prompt) !== "");

const localDate = () => {
  const now = new Date();
  const twoDigits = (number) => String(number).padStart(2, "0");
  return `${now.getFullYear()}-${twoDigits(now.getMonth() + 1)}-${twoDigits(now.getDate())}`;
};

const lineOf = (prompt) =>
  JSON.stringify({
    item: prompt.dataset.item,
    template: prompt.dataset.template,
    sample: prompt.dataset.sample,
    few_shot: prompt.dataset.fewShot === "true",
    verdict: opinionOf(prompt),
    note: noteOf(prompt),
    reviewer: reviewer.value.trim(),
    reviewed_at: localDate(),
  });

const showProgress = () => {
  const judged = prompts.filter(isJudged).length;
  const wanting = prompts.filter((prompt) => opinionOf(prompt) !== undefined && !isJudged(prompt)).length;
  for (const prompt of prompts) {
    prompt.classList.toggle("judged", isJudged(prompt));
    prompt.classList.toggle("wanting", opinionOf(prompt) !== undefined && !isJudged(prompt));
  }
  tray.querySelector("progress").value = judged;
  tray.querySelector("output").textContent =
    `${judged} of ${prompts.length} judged` + (wanting > 0 ? `, ${wanting} without a note` : "");
  button.disabled = judged === 0 || wanting > 0 || reviewer.value.trim() === "";
};

for (const prompt of prompts) {
  const controls = prompt.querySelector("fieldset");
  const note = controls.querySelector(".note");
  controls.hidden = false;
  controls.addEventListener("input", () => {
    const opinion = opinionOf(prompt);
    note.hidden = opinion === undefined;
    note.querySelector(".ask").textContent = ASKS[opinion] ?? "";
    unsaved = true;
    showProgress();
  });
}

reviewer.addEventListener("input", showProgress);

button.addEventListener("click", () => {
  const lines = prompts.filter(isJudged).map((prompt) => `${lineOf(prompt)}\n`);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(lines, { type: "application/jsonl" }));
  link.download = tray.dataset.file;
  link.click();
  unsaved = false;
});

window.addEventListener("beforeunload", (event) => {
  if (unsaved) event.preventDefault();
});

document.querySelector(".unscripted").hidden = true;
tray.hidden = false;
showProgress();
