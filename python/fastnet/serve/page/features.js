// The features of a table: a field for each, with the range in the training data.

import { element, find, nearNumber, plainNumber } from "./elements.js";

/** Fields that hold the inputs of a model. */
export class Features {
  /**
   * @param {string[]} names
   * @param {{minimum: number, median: number, maximum: number}[] | null} ranges those in the training data
   * @param {() => void} onChange called when a value changes
   */
  constructor(names, ranges, onChange) {
    this.names = names;
    this.ranges = ranges;
    this.onChange = onChange;
    this.inputs = names.map((_, i) => this.#input(i));
    this.hints = names.map((_, i) => Object.assign(element("span", { className: "hint" }), { id: `hint-${i}` }));
    find("fields").replaceChildren(
      ...names.map((name, i) =>
        element("div", { className: "field" }, this.#label(i, name), this.inputs[i], this.hints[i]),
      ),
    );
    find("reset").addEventListener("click", () => this.reset());
    this.#setAll(this.#start());
  }

  /** The values of all fields; NaN for those that hold no number. */
  get values() {
    return this.inputs.map((input) => (input.value.trim() === "" ? NaN : Number(input.value)));
  }

  /** The name of the first field that holds no number, or null. */
  get missing() {
    const index = this.values.findIndex((value) => !Number.isFinite(value));
    return index < 0 ? null : this.names[index];
  }

  /** Fill in all fields. */
  fill(values) {
    this.#setAll(values);
    this.onChange();
  }

  /** Fill in one field. */
  set(index, value) {
    this.inputs[index].value = nearNumber(value, this.#widthOf(index));
    this.#check(index);
    this.onChange();
  }

  /** Fill in the values that the page starts with: the medians, or zeros. */
  reset() {
    this.fill(this.#start());
  }

  #start() {
    return this.names.map((_, i) => (this.ranges ? nearNumber(this.ranges[i].median, this.#widthOf(i)) : 0));
  }

  /** The width of the range of a feature. */
  #widthOf(index) {
    const { minimum, maximum } = this.ranges?.[index] ?? { minimum: 0, maximum: 0 };
    return maximum - minimum;
  }

  #setAll(values) {
    values.forEach((value, i) => {
      this.inputs[i].value = String(value);
      this.#check(i);
    });
  }

  #input(index) {
    const input = document.createElement("input");
    Object.assign(input, { id: `feature-${index}`, type: "number", step: "any", inputMode: "decimal", autocomplete: "off" });
    input.setAttribute("aria-describedby", `hint-${index}`);
    input.addEventListener("input", () => {
      this.#check(index);
      this.onChange();
    });
    return input;
  }

  #label(index, name) {
    const label = element("label", { text: name });
    label.htmlFor = `feature-${index}`;
    return label;
  }

  /** Say which values were in the training data, and whether this one is outside of them. */
  #check(index) {
    const input = this.inputs[index];
    const value = this.values[index];
    input.setAttribute("aria-invalid", !Number.isFinite(value));
    if (!this.ranges) return;
    const { minimum, maximum } = this.ranges[index];
    const isOutside = value < minimum || value > maximum;
    this.hints[index].classList.toggle("outside", isOutside);
    const [low, high] = [minimum, maximum].map((end) => nearNumber(end, maximum - minimum));
    const range = minimum === maximum ? plainNumber(minimum) : `${low} to ${high}`;
    this.hints[index].textContent = `${isOutside ? "not in training: " : ""}${range}`;
  }
}
