// The page of `fastnet serve`: sends drawn, dropped or pasted inputs to the model, and shows its answers.

import { decodeWeights, makeBars, showLayers, showProbabilities, showUnits, showValues } from "./answer.js";
import { Pad } from "./pad.js";
import { paintGrey, whenColoursChange } from "./pictures.js";
import { centreDigit, smallDigit } from "./preprocessing.js";
import { Asker, getJson } from "./requests.js";
import { parseRow } from "./rows.js";

// By the number of pixels: images as in MNIST, and as in scikit-learn's digits.
const PICTURES = { 784: { size: 28, make: centreDigit, most: 255 }, 64: { size: 8, make: smallDigit, most: 16 } };
const SPOKEN_AFTER = 700; // ms without another answer

const find = (id) => document.getElementById(id);

let model; // the description from the server
let inputs; // the number of its inputs
let picture; // one of PICTURES, or undefined if the model takes no images
let weights = null; // of the first layer
let pad;
let asked = null; // the label of the row that was sent, if it has one
let shown = null; // the last answer
let scheduled = false;
let speech = 0; // the timer before an answer is spoken

const asker = new Asker(showAnswer, showError);

// ---- Start ----

async function start() {
  model = await getJson("model");
  inputs = product(model.input_shape);
  const [height, width] = model.input_shape;
  picture = model.input_shape.length === 1 || height === width ? PICTURES[inputs] : undefined;
  pad = new Pad(find("pad"), changed);
  describeModel();
  makeBars(names());
  if (picture) offerDrawing();
  else offerRowsOnly();
  listen();
  changed();
  if (picture && model.layers.some((layer) => layer.units)) await loadWeights();
}

function product(shape) {
  return shape.reduce((all, side) => all * side, 1);
}

/** The names of the classes, or of the outputs of a model without classes. */
function names() {
  return model.classes ?? Array.from({ length: product(model.output_shape) }, (_, i) => `output ${i}`);
}

function describeModel() {
  const digits = model.classes?.every((name, i) => name === String(i));
  const title = picture ? (digits ? "Draw a digit" : "Draw a picture") : "Ask the model";
  find("title").textContent = title;
  document.title = `${title}: ${model.name} – fastnet`;
  const units = new Map(model.layers.filter((layer) => layer.units).map(({ name, units }) => [name, units]));
  find("model").textContent =
    (model.name.startsWith("sequential") ? "" : `${model.name}: `) +
    `${[count(inputs, "input"), ...units.values()].join(" – ")}, ${count(model.parameters, "parameter")}`;
  find("row-help").textContent =
    `${count(inputs, "number")}${model.feature_names ? ` (${model.feature_names.join(", ")})` : ""}, ` +
    "a label may come first or last.";
}

function offerDrawing() {
  const known = [255, 16, 1].find((most) => Math.abs(model.full_scale / most - 1) < 0.01);
  find("scale").value = String(known ?? likelyInk());
  find("scale-choice").hidden = known !== undefined;
  find("seen-caption").textContent = `${picture.size} × ${picture.size} pixels, as the model sees them`;
}

async function loadWeights() {
  const answer = await getJson("weights", { optional: true });
  weights = answer && decodeWeights(answer);
}

/** The default value of full ink if the model has no scaling: external scaling usually maps it to 1. */
function likelyInk() {
  return model.layers[0].type === "Normalization" ? picture.most : 1;
}

function offerRowsOnly() {
  document.querySelector("main").classList.add("numbers");
  for (const part of [".draw", "#seen", "#pictures"]) document.querySelector(part).hidden = true;
  find("other-title").textContent = "Ask with a row of numbers";
  find("notice").hidden = false;
  find("notice").textContent =
    `This model takes ${count(inputs, "number")}, not a picture of 28 × 28 or 8 × 8 pixels: ` +
    "there is nothing to draw. Paste a row of a table instead.";
}

function count(number, what) {
  return `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;
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
  return target instanceof HTMLTextAreaElement;
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
  if (!picture) return ask(row);
  const canvas = document.createElement("canvas");
  paintGrey(canvas, row.values, picture.size, Number(find("scale").value));
  pad.show(canvas, row);
}

/** The contents of the pad changed: send one request before the next frame, however many events there were. */
function changed() {
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
  if (picture) paintGrey(find("seen-picture"), values, picture.size, Number(find("scale").value));
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
  showLayers([]);
  find("layers-note").textContent = "The outputs of the hidden layers appear here.";
  find("weights").hidden = true;
  if (picture) paintGrey(find("seen-picture"), Array(inputs).fill(0), picture.size, 1);
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
  showLayers(layers.slice(0, -1));
  const without = ["This model does not show the outputs of its layers.", "This model has no hidden layer."];
  find("layers-note").textContent = without[layers.length] ?? "";
  find("weights").hidden = !weights;
  if (weights) showUnits(weights, layers[0]);
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
