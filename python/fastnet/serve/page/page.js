// The page of `fastnet serve`: sends drawn, dropped or pasted inputs to the model, and shows its answers.

import { makeBars, showProbabilities, showValues } from "./answer.js";
import { Curves } from "./curves.js";
import { describeModel, featureNames, inputsOf, names, pictureOf, product } from "./description.js";
import { count, find } from "./elements.js";
import { Features } from "./features.js";
import { decodeWeights, Inside, showUnits } from "./inside.js";
import { Pad } from "./pad.js";
import { paintPicture, whenColoursChange } from "./pictures.js";
import { Asker, getJson } from "./requests.js";
import { parseRow } from "./rows.js";

const SPOKEN_AFTER = 700; // ms without another answer
const MOST_FIELDS = 100; // features that a person fills in
const CELLS = "Each cell is a unit: red where its output is above zero, blue below, the stronger the farther from it.";
const MAPS = "Each picture shows where a filter responds: red above zero, blue below.";

let model; // the description from the server
let inputs; // the number of its inputs
let picture; // how its images are made, or undefined if the model takes none
let weights = null; // of the first layer
let pad;
let inside;
let features = null; // the fields of a table
let curves = null;
let asked = null; // the label of the row that was sent, if it has one
let rowLabel = null; // that of a row whose values were filled into the fields
let shown = null; // the last answer
let scheduled = false;
let speech = 0; // the timer before an answer is spoken

const asker = new Asker(showAnswer, showError);

// ---- Start ----

async function start() {
  model = await getJson("model");
  inputs = inputsOf(model);
  picture = pictureOf(model);
  pad = new Pad(find("pad"), changed);
  describeModel(model, picture);
  makeBars(names(model), { areClasses: model.classes !== null });
  inside = new Inside(model, picture, featureNames(model), showError);
  if (picture) offerPictures();
  else offerNumbers();
  listen();
  changed();
  if (picture?.channels === 1 && model.layers.some((layer) => layer.units)) await loadWeights();
}

function offerPictures() {
  if (!picture.isDrawn) offerNoDrawing();
  const known = [255, 16, 1].find((most) => Math.abs(model.full_scale / most - 1) < 0.01);
  find("scale").value = String(known ?? likelyInk());
  find("scale-choice").hidden = known !== undefined;
  find("seen-caption").textContent = `${picture.width} × ${picture.height} pixels, as the model sees them`;
}

function offerNoDrawing() {
  pad.takesStrokes = false;
  find("pad").setAttribute("role", "img");
  find("pad").setAttribute("aria-label", "The picture");
  for (const name of ["tabindex", "aria-describedby"]) find("pad").removeAttribute(name);
  document.querySelector(".tools").prepend(document.querySelector("#pictures .button"));
  for (const part of ["#pad-help", ".pen", "#pictures"]) document.querySelector(part).hidden = true;
  find("invitation").textContent = "Drop or paste a picture here";
  find("other-title").textContent = "Instead of a picture";
  find("full").textContent = "white";
  for (const mark of document.querySelectorAll(".mark")) mark.textContent = "light";
}

async function loadWeights() {
  const answer = await getJson("weights", { optional: true });
  weights = answer && decodeWeights(answer);
}

/** The default value of full ink if the model has no scaling: external scaling usually maps it to 1. */
function likelyInk() {
  return model.layers[0].type === "Normalization" ? picture.most : 1;
}

/** Fields for the features of a table; rows alone for other numbers. */
function offerNumbers() {
  for (const part of [".draw", "#seen", "#pictures"]) document.querySelector(part).hidden = true;
  find("other-title").textContent = "Ask with a row of numbers";
  if (model.input_shape.length === 1 && inputs <= MOST_FIELDS) return offerFields();
  document.querySelector("main").classList.add("rows");
  find("notice").hidden = false;
  const [height, width, channels] = model.input_shape;
  const taken = model.input_shape.length === 3
    ? `images of ${channels} channels, ${height} × ${width} pixels, which are not pictures`
    : `${count(inputs, "number")}, not a picture of 28 × 28 or 8 × 8 pixels`;
  find("notice").textContent = `This model takes ${taken}: there is nothing to draw. Paste a row of a table instead.`;
}

function offerFields() {
  document.querySelector("main").classList.add("table");
  document.querySelector(".features").hidden = false;
  find("features-title").textContent = inputs === 1 ? "Feature" : "Features";
  features = new Features(featureNames(model), model.feature_ranges, changed);
  find("features-note").textContent = model.feature_ranges
    ? "Below each field is the range in the training data; the start values are its medians."
    : "The model does not say which values its features had in training.";
  if (!model.feature_ranges) return;
  document.querySelector(".curves").hidden = false;
  curves = new Curves(model, featureNames(model), names(model), (index, value) => features.set(index, value), showError);
}

function listen() {
  find("undo").addEventListener("click", () => pad.undo());
  find("clear").addEventListener("click", () => pad.clear());
  find("pen").addEventListener("input", (event) => setPen(event.target));
  find("scale").addEventListener("change", changed);
  find("file").addEventListener("change", (event) => {
    const [file] = event.target.files;
    event.target.value = ""; // so that the same file can be chosen again
    if (file) showFile(file);
  });
  find("row-form").addEventListener("submit", (event) => {
    event.preventDefault();
    showRow(find("row").value);
  });
  document.addEventListener("keydown", shortcut);
  document.addEventListener("paste", pasted);
  listenToDrops();
  whenColoursChange(() => {
    pad.paint();
    if (shown) showInside(shown);
  });
  setPen(find("pen"));
}

function setPen(slider) {
  pad.penWidth = slider.value / 100;
}

function isText(target) {
  return target instanceof HTMLTextAreaElement || ["text", "number"].includes(target.type);
}

function shortcut(event) {
  if (!picture || isText(event.target)) return;
  if ((event.ctrlKey || event.metaKey) && event.key === "z") pad.undo();
  else if (event.key === "Delete" || event.key === "Backspace") pad.clear();
  else return;
  event.preventDefault();
}

function pasted(event) {
  if (isText(event.target)) return;
  const [file] = event.clipboardData.files;
  if (file) showFile(file);
  else showRow(event.clipboardData.getData("text"));
}

function listenToDrops() {
  const board = find("board");
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    board.classList.add("target");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) board.classList.remove("target");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    board.classList.remove("target");
    const [file] = event.dataTransfer.files;
    if (file) showFile(file);
    else showRow(event.dataTransfer.getData("text"));
  });
}

// ---- Requests ----

async function showFile(file) {
  if (!picture) return showError("This model takes no pictures: paste a row of a table.");
  setBusy(true);
  try {
    pad.show(await createImageBitmap(file));
  } catch {
    showError(`“${file.name}” is not a picture that this browser can read, such as PNG or JPEG.`);
  }
}

function showRow(text) {
  let row;
  try {
    row = parseRow(text, inputs);
  } catch (error) {
    return showError(error.message);
  }
  if (features) {
    rowLabel = row.label;
    return features.fill(row.values);
  }
  if (!picture) return ask(row);
  const canvas = document.createElement("canvas");
  paintPicture(canvas, row.values, picture, Number(find("scale").value));
  pad.show(canvas, row);
}

/** An input changed: send one request before the next frame, however many events there were. */
function changed() {
  if (features) return fieldsChanged();
  find("invitation").hidden = !pad.isEmpty;
  find("undo").disabled = !pad.history.length;
  find("clear").disabled = pad.isEmpty;
  if (pad.isEmpty) showNothing();
  else setBusy(true);
  if (pad.isEmpty || scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    if (!pad.isEmpty) ask(pad.picture?.row ?? { values: drawnValues(), label: null });
  });
}

function fieldsChanged() {
  const { missing } = features;
  if (missing !== null) {
    showNothing();
    return showError(`“${missing}” needs a number.`);
  }
  setBusy(true);
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    if (features.missing !== null) return;
    ask({ values: features.values, label: rowLabel });
    rowLabel = null;
    curves?.update(features.values);
  });
}

/** Return the drawing as inputs of the model. */
function drawnValues() {
  const scale = Number(find("scale").value) / picture.most;
  return Array.from(picture.make(pad.pixels()), (value) => value * scale);
}

/** Mark whether the displayed answer is about to change. */
function setBusy(busy) {
  document.querySelector(".answer").setAttribute("aria-busy", busy);
}

function ask({ values, label }) {
  setBusy(true);
  asked = label;
  if (picture) paintPicture(find("seen-picture"), values, picture, Number(find("scale").value));
  asker.ask(nested(values, model.input_shape));
}

/** Numbers as lists of lists of the given shape. */
function nested(values, [, ...inner]) {
  if (!inner.length) return values;
  const step = product(inner);
  return Array.from({ length: values.length / step }, (_, i) => nested(values.slice(i * step, (i + 1) * step), inner));
}

// ---- Display ----

function showError(error) {
  setBusy(false);
  find("error").textContent = error?.message ?? error ?? "";
  find("error").hidden = !error;
}

function showNothing() {
  asker.forget();
  shown = null;
  showError(null);
  showOutputs(null);
  find("timing").textContent = "";
  inside.show([]);
  find("layers-note").textContent = "The outputs of the hidden layers appear here.";
  find("weights").hidden = true;
  if (picture) paintPicture(find("seen-picture"), Array(inputs).fill(0), picture, 1);
  speak("");
}

function showAnswer(answer, milliseconds) {
  shown = answer;
  showError(null);
  showOutputs(answer);
  showInside(answer);
  find("timing").textContent =
    `Answered in ${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)} ms.` +
    (asked === null ? "" : ` The row's label is ${asked}.`);
  setBusy(scheduled || asker.waiting !== null);
  speak(`${find("winner").textContent}, ${find("certainty").textContent}`);
}

function showOutputs(answer) {
  if (model.classes) showProbabilities(model.classes, answer?.probabilities);
  else showValues(answer?.values.flat(Infinity));
}

/** Show the hidden layers, which are all but the last, and the weights of the first. */
function showInside({ layers }) {
  inside.show(layers.slice(0, -1));
  const without = ["This model does not show the outputs of its layers.", "This model has no hidden layer."];
  find("layers-note").textContent = without[layers.length] ?? explanationOf(layers.slice(0, -1));
  find("weights").hidden = !weights;
  if (weights) showUnits(weights, layers[0], (unit) => inside.choose(0, unit));
}

function explanationOf(layers) {
  const areMaps = layers.map(({ shape }) => shape.length === 3);
  const parts = [areMaps.includes(true) && MAPS, areMaps.includes(false) && CELLS];
  return `${parts.filter(Boolean).join(" ")} Click one, or type its number, to see its incoming weights.`;
}

/** Have an answer read aloud when it has stayed the same for a moment. */
function speak(text) {
  clearTimeout(speech);
  speech = setTimeout(() => {
    find("spoken").textContent = text;
  }, SPOKEN_AFTER);
}

start().catch((error) => {
  find("model").textContent = "";
  showError(error);
});
