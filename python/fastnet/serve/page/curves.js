// Draws the answer of the model over each feature, while the other features keep their values.

import { element, find, nearNumber, percent, plainNumber } from "./elements.js";
import { predict } from "./requests.js";

const POINTS = 41; // of a curve
const MOST_CURVES = 24; // features with a curve
const MOST_LINES = 3; // in a curve
const PAUSE = 150; // ms without another change, before curves are asked for

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [200, 100]; // of a drawing, in its own units

/** Curves of the answer over each feature. */
export class Curves {
  /**
   * @param {object} model the description from the server
   * @param {string[]} features the names of the features
   * @param {string[]} outputs the names of the classes or of the values
   * @param {(index: number, value: number) => void} onChoice called with a value on which a curve was clicked
   * @param {(error: Error) => void} onError
   */
  constructor(model, features, outputs, onChoice, onError) {
    this.model = model;
    this.features = features;
    this.outputs = outputs;
    this.onChoice = onChoice;
    this.onError = onError;
    this.timer = 0;
    this.newest = null;
    const varies = ({ minimum, maximum }) => minimum < maximum;
    const drawn = model.feature_ranges.flatMap((range, i) => (varies(range) ? [i] : []));
    this.shown = drawn.slice(0, MOST_CURVES);
    const isOne = features.length === 1;
    find("curves-title").textContent = `How the answer depends on ${isOne ? "the feature" : "each feature"}`;
    find("curves-note").textContent =
      (isOne
        ? "The curve runs over the range that the feature had in training. Click on it to take a value."
        : "Each curve runs over the range that a feature had in training, while the others keep their values. " +
          "Click on one to take a value.") +
      (drawn.length > this.shown.length ? ` The first ${this.shown.length} features are shown.` : "");
    find("curves").classList.toggle("one", isOne);
    find("curves").replaceChildren(...this.shown.map((index) => this.#figure(index)));
  }

  /** Draw the curves around some values, when these have stayed the same for a moment. */
  update(values) {
    clearTimeout(this.timer);
    this.newest = values;
    this.timer = setTimeout(() => this.#ask(values).catch(this.onError), PAUSE);
  }

  async #ask(values) {
    const axes = this.shown.map((index) => this.#axis(index, values[index]));
    const rows = axes.flatMap(({ index, places }) => places.map((place) => values.with(index, place)));
    const asked = [values, ...rows];
    const answers = [];
    for (let first = 0; first < asked.length; first += this.model.max_batch) {
      answers.push(...(await predict(asked.slice(first, first + this.model.max_batch))));
      if (this.newest !== values) return; // outdated
    }
    const [here, ...curves] = answers.map((answer) => answer.probabilities ?? [answer].flat(Infinity));
    const lines = this.#linesOf(here);
    const scale = this.#scaleOf(curves, lines);
    this.#legend(lines);
    axes.forEach((axis, i) => this.#draw(i, axis, curves.slice(i * POINTS, (i + 1) * POINTS), here, lines, scale));
  }

  /** The places of a curve: the range in training, made wider if the value lies outside of it. */
  #axis(index, value) {
    const { minimum, maximum } = this.model.feature_ranges[index];
    const [low, high] = [Math.min(minimum, value), Math.max(maximum, value)];
    const places = Array.from({ length: POINTS }, (_, i) => low + ((high - low) * i) / (POINTS - 1));
    return { index, value, low, high, places };
  }

  /** Which outputs are drawn: the likeliest classes, or the first values. One of two classes says it all. */
  #linesOf(here) {
    const order = here.map((_, i) => i);
    if (!this.model.classes) return order.slice(0, MOST_LINES);
    order.sort((a, b) => here[b] - here[a]);
    return order.slice(0, here.length === 2 ? 1 : MOST_LINES);
  }

  /** The ends of the vertical axis, which all curves share, so that they can be compared. */
  #scaleOf(curves, lines) {
    if (this.model.classes) return [0, 1];
    const values = curves.flatMap((outputs) => lines.map((line) => outputs[line]));
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return low < high ? [low, high] : [low - 1, high + 1];
  }

  #legend(lines) {
    find("legend").hidden = this.outputs.length === 1;
    const keys = lines.map((line, i) => element("span", { className: `key line-${i}`, text: this.outputs[line] }));
    find("legend").replaceChildren(this.model.classes ? "Probability of " : "", ...keys);
  }

  #figure(index) {
    const drawing = document.createElementNS(SVG, "svg");
    drawing.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    drawing.setAttribute("preserveAspectRatio", "none");
    drawing.setAttribute("role", "img");
    drawing.addEventListener("click", ({ offsetX }) => {
      const axis = drawing.axis;
      if (axis) this.onChoice(index, axis.low + ((axis.high - axis.low) * offsetX) / drawing.clientWidth);
    });
    const ends = element("span", { className: "ends" }, element("span"), element("span"));
    const levels = element("span", { className: "levels" }, element("span"), element("span"));
    const plot = element("div", { className: "plot" }, levels, drawing);
    return element("figure", {}, element("figcaption", { text: this.features[index] }), plot, ends);
  }

  #draw(place, axis, curve, here, lines, [bottom, top]) {
    const figure = find("curves").children[place];
    const drawing = figure.querySelector("svg");
    drawing.axis = axis;
    const x = (value) => (WIDTH * (value - axis.low)) / (axis.high - axis.low);
    const y = (value) => HEIGHT - (HEIGHT * (value - bottom)) / (top - bottom);
    const text = this.model.classes ? percent : plainNumber;
    drawing.replaceChildren(
      shape("line", { class: "here", x1: x(axis.value), x2: x(axis.value), y1: 0, y2: HEIGHT }),
      ...lines.toReversed().map((line, i) => {
        const points = curve.map((outputs, k) => `${x(axis.places[k])},${y(outputs[line])}`).join(" ");
        return shape("polyline", { class: `line-${lines.length - 1 - i}`, points });
      }),
    );
    const [first, last] = [curve[0][lines[0]], curve.at(-1)[lines[0]]];
    const what = this.model.classes ? `Probability of ${this.outputs[lines[0]]}` : this.outputs[lines[0]];
    drawing.setAttribute(
      "aria-label",
      `${what} over ${this.features[axis.index]}: ${text(first)} at ${plainNumber(axis.low)}, ` +
        `${text(here[lines[0]])} at ${plainNumber(axis.value)}, ${text(last)} at ${plainNumber(axis.high)}`,
    );
    const set = (part, texts) => [...figure.querySelector(part).children].forEach((end, i) => (end.textContent = texts[i]));
    set(".ends", [axis.low, axis.high].map((end) => nearNumber(end, axis.high - axis.low)));
    set(".levels", [top, bottom].map((level) => nearNumber(level, top - bottom)));
  }
}

function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
