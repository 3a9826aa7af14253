// Shows the inside of the network: the outputs of hidden layers, and the incoming weights of units.

import { barOf, element, find, setBar, shortNumber, spanOf } from "./elements.js";
import { mosaic, paintSigned } from "./pictures.js";
import { getJson } from "./requests.js";

const SHOWN_UNITS = 12;
const UNITS_IN_A_ROW = 64;
const MAPS_IN_A_ROW = 16;
const STRONGEST = 8; // incoming weights with a bar
const WITH_UNITS = ["Dense", "Conv2D", "Conv1D"]; // layers whose units have weights of their own

const largest = (values) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** The hidden layers as strips and feature maps, and the unit that is chosen in them. */
export class Inside {
  /**
   * @param {object} model the description from the server
   * @param {{width: number, channels: number} | undefined} picture the form of the inputs, if they are a picture
   * @param {string[]} features the names of the inputs otherwise
   * @param {(error: Error) => void} onError
   */
  constructor(model, picture, features, onError) {
    this.types = new Map(model.layers.map(({ name, type }) => [name, type]));
    this.picture = picture;
    this.features = features;
    this.onError = onError;
    this.layers = [];
    this.chosen = null; // {layer, unit, weights, shape, bias}
  }

  /** Show the outputs of layers: an array of {name, activation, shape, output}; empty without an answer. */
  show(layers) {
    this.layers = layers;
    const figures = find("layers");
    while (figures.children.length > layers.length) figures.lastChild.remove();
    while (figures.children.length < layers.length) figures.append(this.#figure(figures.children.length));
    layers.forEach((layer, i) => this.#showLayer(figures.children[i], layer));
    this.#showUnit();
  }

  // ---- Layers ----

  #figure(layer) {
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.addEventListener("click", (event) => {
      const unit = this.#unitAt(layer, event);
      if (unit !== null) this.choose(layer, unit);
    });
    canvas.addEventListener("pointermove", (event) => {
      const unit = this.#unitAt(layer, event);
      canvas.title = unit === null ? "" : `unit ${unit}`;
    });
    const input = document.createElement("input");
    Object.assign(input, { type: "number", min: 0, step: 1, inputMode: "numeric" });
    input.addEventListener("input", () => {
      const unit = input.valueAsNumber;
      if (Number.isInteger(unit) && unit >= 0 && unit <= Number(input.max)) this.choose(layer, unit);
    });
    const strip = element("div", { className: "strip" }, canvas, element("span", { className: "cursor" }));
    const pick = element("label", { className: "pick", text: "unit " }, input);
    return element("figure", {}, strip, element("figcaption", {}, element("span"), pick));
  }

  #showLayer(figure, { name, activation, shape, output }) {
    const canvas = figure.querySelector("canvas");
    const [most, areMaps] = [largest(output), shape.length === 3];
    const units = shape.at(-1);
    canvas.classList.toggle("maps", areMaps);
    canvas.classList.toggle("choosable", this.#hasUnits(name));
    canvas.setAttribute("aria-label", `${areMaps ? "Feature maps" : "Activations"} of the layer ${name}`);
    const { values, columns } = this.#laidOut(output, shape);
    canvas.style.setProperty("--rows", Math.ceil(values.length / columns));
    paintSigned(canvas, values, columns, most);
    const active = output.filter((value) => value !== 0).length;
    const size = areMaps ? `${units} maps of ${shape[0]} × ${shape[1]}` : `${output.length} units`;
    figure.querySelector("figcaption span").textContent =
      `${name}: ${size}, ${activation}` +
      (most > 0 ? `; ${active} not zero, the strongest ${shortNumber(most)}` : "");
    const pick = figure.querySelector(".pick");
    pick.hidden = !this.#hasUnits(name);
    pick.querySelector("input").max = units - 1;
    pick.querySelector("input").setAttribute("aria-label", `Unit of the layer ${name}`);
  }

  #hasUnits(name) {
    return WITH_UNITS.includes(this.types.get(name));
  }

  /** Values in the order in which the cells of a picture are painted, and the columns of that. */
  #laidOut(values, shape) {
    if (shape.length === 3) return mosaic(values, shape, Math.min(shape[2], MAPS_IN_A_ROW));
    return { values, columns: Math.min(values.length, UNITS_IN_A_ROW) };
  }

  /** The unit or the map at the place of a pointer, or null between them. */
  #unitAt(layer, { target, offsetX, offsetY }) {
    const { name, shape, output } = this.layers[layer];
    if (!this.#hasUnits(name)) return null;
    const x = Math.floor((offsetX / target.clientWidth) * target.width);
    const y = Math.floor((offsetY / target.clientHeight) * target.height);
    if (shape.length !== 3) return y * target.width + x < output.length ? y * target.width + x : null;
    const [height, width, maps] = shape;
    const map = Math.floor(y / (height + 1)) * Math.min(maps, MAPS_IN_A_ROW) + Math.floor(x / (width + 1));
    return map < maps ? map : null;
  }

  // ---- The chosen unit ----

  /** Fetch the incoming weights of a unit, and show them. */
  async choose(layer, unit) {
    const asked = (this.asked = {});
    try {
      const found = await getJson(`layers/${layer}/units/${unit}`);
      if (this.asked !== asked) return; // another was chosen meanwhile
      this.chosen = { ...found, layer, name: found.layer };
      this.#showUnit();
    } catch (error) {
      this.onError(error);
    }
  }

  #showUnit() {
    const { chosen } = this;
    const isShown = chosen !== null && chosen.layer < this.layers.length;
    find("unit").hidden = !isShown;
    [...find("layers").children].forEach((figure, i) => this.#mark(figure, i, isShown && chosen.layer === i));
    if (!isShown) return;
    const { output, shape } = this.layers[chosen.layer];
    const outputs = output.filter((_, i) => i % shape.at(-1) === chosen.unit);
    const isMap = shape.length === 3;
    find("unit-title").textContent =
      `${chosen.name}, unit ${chosen.unit}: ${isMap ? "at most" : "output"} ${shortNumber(Math.max(...outputs))}`;
    const before = chosen.layer && this.layers[chosen.layer - 1];
    const what = chosen.shape.length === 3 ? "Its filter" : `Its weights from ${this.#sourceOf(before)}`;
    find("unit-note").textContent =
      `${what}: red raises its output, blue lowers it.` +
      (chosen.bias === null ? "" : ` The bias is ${shortNumber(chosen.bias)}.`);
    this.#showWeights(before);
  }

  #sourceOf(before) {
    if (before) return `the outputs of ${before.name}`;
    return this.picture ? "the pixels" : "the features";
  }

  #mark(figure, layer, isChosen) {
    const cursor = figure.querySelector(".cursor");
    const input = figure.querySelector("input");
    cursor.hidden = !isChosen;
    if (!isChosen) {
      input.value = "";
      return;
    }
    const { unit } = this.chosen;
    const { shape, output } = this.layers[layer];
    if (input.value !== String(unit)) input.value = unit;
    const [across, total, gap] = shape.length === 3
      ? [Math.min(shape[2], MAPS_IN_A_ROW), shape[2], 1]
      : [Math.min(output.length, UNITS_IN_A_ROW), output.length, 0];
    const down = Math.ceil(total / across);
    const [width, height] = gap ? [shape[1] / (across * (shape[1] + 1) - 1), shape[0] / (down * (shape[0] + 1) - 1)]
      : [1 / across, 1 / down];
    const step = gap ? [width * (1 + 1 / shape[1]), height * (1 + 1 / shape[0])] : [width, height];
    const place = { left: (unit % across) * step[0], top: Math.floor(unit / across) * step[1], width, height };
    for (const [name, share] of Object.entries(place)) cursor.style.setProperty(name, `${100 * share}%`);
  }

  #showWeights(before) {
    const { weights, shape } = this.chosen;
    const isPicture = shape.length === 3 || (!before && this.picture);
    const canvas = find("unit-picture");
    canvas.hidden = !isPicture && !before;
    canvas.classList.toggle("square", Boolean(isPicture));
    if (!canvas.hidden) {
      const form = shape.length === 3 ? shape : this.#formOf(before, weights);
      const { values, columns } = this.#laidOut(weights, form);
      canvas.style.setProperty("--rows", Math.ceil(values.length / columns));
      paintSigned(canvas, values, columns, largest(weights));
    }
    find("unit-bars").hidden = Boolean(isPicture);
    find("unit-bars").replaceChildren(...(isPicture ? [] : this.#strongest(before, weights)));
  }

  /** The shape in which incoming weights are laid out: that of what they are multiplied by. */
  #formOf(before, weights) {
    if (!before) return [weights.length / this.picture.width / this.picture.channels, this.picture.width, this.picture.channels];
    return before.output.length === weights.length ? before.shape : [weights.length];
  }

  /** Bars of the strongest incoming weights. */
  #strongest(before, weights) {
    const order = weights.map((_, i) => i).sort((a, b) => Math.abs(weights[b]) - Math.abs(weights[a]));
    const shown = order.slice(0, STRONGEST).sort((a, b) => a - b);
    const [low, high] = [Math.min(0, ...weights), Math.max(0, ...weights)];
    return shown.map((i) => {
      const bar = barOf(before ? `unit ${i}` : this.features[i]);
      bar.classList.add("signed");
      setBar(bar, { ...spanOf(weights[i], low, high), number: shortNumber(weights[i]) });
      return bar;
    });
  }
}

// ---- The first layer ----

/** Decode the weights of the first layer: bytes in base64, an image for each unit. */
export function decodeWeights({ shape, units, data }) {
  const bytes = Int8Array.from(atob(data), (character) => character.charCodeAt(0));
  const [rows, columns] = shape;
  const size = rows * columns;
  return { columns, pictures: Array.from({ length: units }, (_, i) => bytes.subarray(i * size, (i + 1) * size)) };
}

/** Show the weights of the units of the first layer whose outputs are farthest from zero, anywhere in a feature map. */
export function showUnits({ columns, pictures }, { shape, output: outputs }, onChoice) {
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
      paintSigned(canvas, pictures[unit], columns, largest(pictures[unit]));
      canvas.addEventListener("click", () => onChoice(unit));
      const caption = element("figcaption", { text: `unit ${unit}: ${shortNumber(output[unit])}` });
      return element("figure", {}, canvas, caption);
    }),
  );
}
