// Shows the answer of the model: bars of the classes, activations of hidden layers, and the weights of active units.

import { mosaic, paintSigned } from "./pictures.js";

const SHOWN_UNITS = 12;
const UNITS_IN_A_ROW = 64;
const MAPS_IN_A_ROW = 16;

const find = (id) => document.getElementById(id);

/** An element with a class, text and children. */
function element(tag, { className = "", text = "" } = {}, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  made.append(...children);
  return made;
}

// ---- Classes ----

/** Create a bar for each class, or a line for each value of a model without classes. */
export function makeBars(names) {
  find("bars").replaceChildren(
    ...names.map((name) =>
      element(
        "li",
        {},
        element("span", { className: "name", text: name }),
        element("span", { className: "track" }, element("span", { className: "fill" })),
        element("span", { className: "number" }),
      ),
    ),
  );
}

/** Show the probabilities of the classes; empty bars without an answer. */
export function showProbabilities(names, probabilities) {
  const first = probabilities ? probabilities.indexOf(Math.max(...probabilities)) : -1;
  [...find("bars").children].forEach((bar, i) => {
    const share = probabilities?.[i] ?? 0;
    bar.classList.toggle("first", i === first);
    bar.querySelector(".fill").style.setProperty("--share", share);
    bar.querySelector(".number").textContent = probabilities ? percent(share) : "";
  });
  if (first >= 0) showWinner(names[first], percent(probabilities[first]));
  else showWinner(null, probabilities ? "the outputs are not numbers" : "nothing to answer yet");
}

/** Show the outputs of a model without classes. */
export function showValues(values) {
  const most = Math.max(...(values ?? []).map(Math.abs));
  [...find("bars").children].forEach((bar, i) => {
    bar.querySelector(".fill").style.setProperty("--share", values && most ? Math.abs(values[i]) / most : 0);
    bar.querySelector(".number").textContent = values ? shortNumber(values[i]) : "";
  });
  showWinner(values?.length === 1 ? shortNumber(values[0]) : null, values ? "" : "nothing to answer yet");
}

function showWinner(name, certainty) {
  find("winner").textContent = name ?? "–";
  find("winner").classList.toggle("long", (name?.length ?? 0) > 3);
  find("certainty").textContent = certainty;
}

function percent(share) {
  return `${(100 * share).toFixed(1)}%`;
}

function shortNumber(value) {
  return Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(2) : value.toFixed(3);
}

// ---- Inside ----

/** Show a strip for each hidden layer. */
export function showLayers(layers) {
  const strips = find("layers");
  while (strips.children.length > layers.length) strips.lastChild.remove();
  while (strips.children.length < layers.length) {
    strips.append(element("figure", {}, document.createElement("canvas"), element("figcaption")));
  }
  layers.forEach(({ name, activation, shape, output }, i) => {
    const [canvas, caption] = strips.children[i].children;
    const most = output.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    const active = output.filter((value) => value !== 0).length;
    const areMaps = shape.length === 3;
    canvas.classList.toggle("maps", areMaps);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${areMaps ? "Feature maps" : "Activations"} of the layer ${name}`);
    if (areMaps) {
      const { values, columns } = mosaic(output, shape, Math.min(shape[2], MAPS_IN_A_ROW));
      paintSigned(canvas, values, columns, most);
    } else {
      const columns = Math.min(output.length, UNITS_IN_A_ROW);
      canvas.style.setProperty("--rows", Math.ceil(output.length / columns));
      paintSigned(canvas, output, columns, most);
    }
    const size = areMaps ? `${shape[2]} maps of ${shape[0]} × ${shape[1]}` : `${output.length} units`;
    caption.textContent =
      `${name}: ${size}, ${activation}` +
      (most > 0 ? `; ${active} not zero, the strongest ${shortNumber(most)}` : "");
  });
}

/** Decode the weights of the first layer: bytes in base64, an image for each unit. */
export function decodeWeights({ shape, units, data }) {
  const bytes = Int8Array.from(atob(data), (character) => character.charCodeAt(0));
  const [rows, columns] = shape;
  const size = rows * columns;
  return { columns, pictures: Array.from({ length: units }, (_, i) => bytes.subarray(i * size, (i + 1) * size)) };
}

/** Show the weights of the units of the first layer whose outputs are farthest from zero, anywhere in a feature map. */
export function showUnits({ columns, pictures }, { shape, output: outputs }) {
  const output = Array(shape.at(-1)).fill(0);
  outputs.forEach((value, i) => {
    const unit = i % output.length;
    if (Math.abs(value) > Math.abs(output[unit])) output[unit] = value;
  });
  const order = pictures
    .map((_, unit) => unit)
    .filter((unit) => output[unit])
    .sort((a, b) => Math.abs(output[b]) - Math.abs(output[a]));
  find("units").replaceChildren(
    ...order.slice(0, SHOWN_UNITS).map((unit) => {
      const canvas = document.createElement("canvas");
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Weights of unit ${unit}`);
      const most = pictures[unit].reduce((largest, weight) => Math.max(largest, Math.abs(weight)), 0);
      paintSigned(canvas, pictures[unit], columns, most);
      const caption = element("figcaption", { text: `unit ${unit}: ${shortNumber(output[unit])}` });
      return element("figure", {}, canvas, caption);
    }),
  );
}
