// What a model is: the form of its inputs, the names of its features and outputs, and its title in words.

import { count, find, percent, plainNumber } from "./elements.js";
import { centreDigit, scalePicture, smallDigit } from "./preprocessing.js";

const METRICS = { mae: "mean absolute error", mse: "mean squared error", r2_score: "R²" };
// By the number of pixels: images as in MNIST, and as in scikit-learn's digits.
const DIGITS = {
  784: { width: 28, height: 28, channels: 1, make: centreDigit, most: 255, isDrawn: true },
  64: { width: 8, height: 8, channels: 1, make: smallDigit, most: 16, isDrawn: true },
};

export function product(shape) {
  return shape.reduce((all, side) => all * side, 1);
}

export function inputsOf(model) {
  return product(model.input_shape);
}

/** Digits are drawn; other images, of one channel or of three, are pictures. */
export function pictureOf(model) {
  const shape = model.input_shape;
  const inputs = inputsOf(model);
  const [height, width, channels = 1] = shape;
  const arePixels = model.feature_names?.every((name) => /^pix/i.test(name)) ?? true;
  const isDigit = inputs in DIGITS && (shape.length === 1 ? arePixels : height === width && channels === 1);
  if (isDigit) return DIGITS[inputs];
  if (shape.length !== 3 || ![1, 3].includes(channels)) return undefined;
  return { width, height, channels, make: (pixels) => scalePicture(pixels, shape), most: 255, isDrawn: false };
}

/** The names of the classes, or of the outputs of a model without classes. */
export function names(model) {
  return model.classes ?? Array.from({ length: product(model.output_shape) }, (_, i) => `output ${i}`);
}

export function featureNames(model) {
  const inputs = inputsOf(model);
  const known = model.feature_names?.length === inputs ? model.feature_names : null;
  return known ?? Array.from({ length: inputs }, (_, i) => `feature ${i}`);
}

/** Show what the model is for, its name, how good it is, and its size. */
export function describeModel(model, picture) {
  const inputs = inputsOf(model);
  const digits = model.classes?.every((name, i) => name === String(i));
  const drawing = digits ? "Draw a digit" : "Draw a picture";
  const title = picture ? (picture.isDrawn ? drawing : "Show a picture") : "Ask the model";
  const named = [model.name.startsWith("sequential") ? "" : model.name, scoreInWords(model)].filter(Boolean).join(", ");
  find("title").textContent = title;
  find("named").textContent = named;
  document.title = `${title}${named && `: ${named}`} – fastnet`;
  const units = new Map(model.layers.filter((layer) => layer.units).map(({ name, units }) => [name, units]));
  find("model").textContent =
    `${[count(inputs, "input"), ...units.values()].join(" – ")}, ${count(model.parameters, "parameter")}` +
    (model.score ? `; ${metricOf(model.score)} on ${model.score.samples}` : "");
  find("row-help").textContent =
    `${count(inputs, "number")}${model.feature_names ? ` (${model.feature_names.join(", ")})` : ""}, ` +
    "a label may come first or last.";
}

/** How good the model is, such as "97.6% accurate". */
function scoreInWords({ score }) {
  if (!score) return "";
  return score.name === "accuracy" ? `${percent(score.value)} accurate` : `${metricOf(score)} ${plainNumber(score.value)}`;
}

function metricOf({ name }) {
  return METRICS[name] ?? name.replaceAll("_", " ");
}
