"use strict";
// The picture that is asked about: bytes of a file in base64, or the number of an example.
const asked = { picture: "", example: -1 };
const byId = (id) => document.getElementById(id);
const COLOURS = ["#ff7a1a", "#2f9bff", "#1fc98a", "#e45bd0", "#f2c811", "#9b7bff"];
const COLUMNS = [
  ["proposal", (one) => name(one)],
  ["chance", (one) => (100 * one.probability).toFixed(1) + " %"],
  ["score", (one) => one.logit.toFixed(2)],
  ["= prior", (one) => one.prior.toFixed(2)],
  ["+ heat map", (one) => one.cam.toFixed(2)],
  ["+ learned", (one) => one.learned.toFixed(2)],
  ["detector", (one) => (one.label === null ? "" : one.detector_score.toFixed(2))],
];

function percent(share) {
  return (100 * share).toFixed(0) + " %";
}

function name(one) {
  if (one.label === null) return "part of the picture";
  return one.is_merged ? "several: " + one.label : one.label;
}

function element(tag, text, parent) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
}

function svg(tag, attributes, parent) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
}

function say(text, isError) {
  byId("message").textContent = text;
  byId("message").className = isError ? "error" : "";
}

function phrases() {
  return byId("phrases").value.split("\n").map((line) => line.trim()).filter(Boolean);
}

function refresh() {
  const hasPicture = asked.picture !== "" || asked.example >= 0;
  byId("ask").disabled = !hasPicture || phrases().length === 0;
}

function show(href, width, height) {
  const picture = byId("picture");
  picture.replaceChildren();
  picture.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg("image", { href, width, height }, picture);
  byId("found").replaceChildren();
}

function preview(href) {
  const image = new Image();
  image.onload = () => show(href, image.naturalWidth, image.naturalHeight);
  image.onerror = () => { byId("picture").replaceChildren(); byId("found").replaceChildren(); };
  image.src = href;
}

function takeFile(file) {
  const reader = new FileReader();
  reader.onload = () => {
    asked.picture = reader.result.slice(reader.result.indexOf(",") + 1);
    asked.example = -1;
    for (const one of document.querySelectorAll(".example")) one.classList.remove("chosen");
    preview(reader.result);
    say(file.name);
    refresh();
  };
  reader.readAsDataURL(file);
}

function takeExample(button) {
  asked.picture = "";
  asked.example = Number(button.dataset.number);
  byId("file").value = "";
  for (const one of document.querySelectorAll(".example")) one.classList.toggle("chosen", one === button);
  for (const field of ["phrases", "sentence"]) byId(field).value = button.dataset[field];
  preview(button.querySelector("img").src);
  say("");
  refresh();
}

function drawBox(box, colour, kind) {
  const [x1, y1, x2, y2] = box;
  return svg("rect", { x: x1, y: y1, width: x2 - x1, height: y2 - y1, stroke: colour, class: kind }, byId("picture"));
}

function showCandidates(candidates, parent) {
  const table = element("table", undefined, element("div", undefined, parent));
  table.parentElement.className = "scroll";
  const head = element("tr", undefined, element("thead", undefined, table));
  for (const [title] of COLUMNS) element("th", title, head);
  const body = element("tbody", undefined, table);
  for (const one of candidates) {
    const row = element("tr", undefined, body);
    for (const [, cell] of COLUMNS) element("td", cell(one), row);
    let box = null;
    row.addEventListener("mouseenter", () => { box = drawBox(one.box_xyxy, "#fff", "candidate"); });
    row.addEventListener("mouseleave", () => { if (box) box.remove(); });
  }
}

function showFound(one, colour) {
  const box = drawBox(one.box_xyxy, colour, "answer");
  box.setAttribute("data-phrase", one.phrase);
  svg("title", {}, box).textContent = one.phrase;
  const article = element("article", undefined, byId("found"));
  const title = element("h2", undefined, article);
  const swatch = element("span", undefined, title);
  swatch.className = "swatch";
  swatch.style.background = colour;
  title.append(one.phrase + " ");
  const facts = [one.box_xyxy.map((value) => value.toFixed(1)).join(" ")];
  if (one.confidence !== null) facts.push("confidence " + percent(one.confidence));
  if (one.score !== null) facts.push("best proposal " + percent(one.score));
  facts.push(one.nouns.length ? "nouns: " + one.nouns.join(", ") : "no noun");
  element("small", facts.join(" \u00b7 "), title);
  const left = element("div", undefined, article);
  if (one.heat_map === null) element("p", "No heat map: no class is known for the head noun.", left);
  else { const map = element("img", undefined, left); map.src = one.heat_map; map.alt = "heat map of " + one.nouns[0]; }
  const right = element("div", undefined, article);
  if (one.candidates.length === 0) element("p", "No proposals: the model runs without a detector.", right);
  else showCandidates(one.candidates, right);
}

async function ask(event) {
  event.preventDefault();
  byId("ask").disabled = true;
  say("Looking ...");
  try {
    const [sentence, answer] = ["sentence", "answer"].map((id) => byId(id).value);
    const body = JSON.stringify({ ...asked, phrases: phrases(), sentence, answer });
    const headers = { "Content-Type": "application/json" };
    const response = await fetch("/ground", { method: "POST", headers, body });
    if (response.status === 503) throw new Error("too many ask at once; try again in a moment");
    const said = await response.json();
    if (!response.ok) throw new Error(said.error || "the request was refused");
    show(said.picture, said.width, said.height);
    said.found.forEach((one, index) => showFound(one, COLOURS[index % COLOURS.length]));
    say("");
  } catch (error) {
    say(error.message, true);
  }
  refresh();
}

byId("form").addEventListener("submit", ask);
byId("phrases").addEventListener("input", refresh);
byId("file").addEventListener("change", (event) => { if (event.target.files[0]) takeFile(event.target.files[0]); });
for (const button of document.querySelectorAll(".example")) button.addEventListener("click", () => takeExample(button));
const drop = byId("drop");
drop.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
drop.addEventListener("dragleave", () => drop.classList.remove("over"));
drop.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (event.dataTransfer.files[0]) takeFile(event.dataTransfer.files[0]);
});
