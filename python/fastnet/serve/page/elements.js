// Elements of the page, and numbers as text.

export const find = (id) => document.getElementById(id);

/** An element with a class, text and children. */
export function element(tag, { className = "", text = "" } = {}, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  made.append(...children);
  return made;
}

/** A line of a list of bars: a name, a bar and a number. */
export function barOf(name) {
  return element(
    "li",
    {},
    element("span", { className: "name", text: name }),
    element("span", { className: "track" }, element("span", { className: "fill" })),
    element("span", { className: "number" }),
  );
}

/** Give a bar its length, as fractions of the track, its number, and its place among the largest, from 0. */
export function setBar(bar, { from = 0, share, number, place = -1, isNegative = false }) {
  ["first", "second", "third"].forEach((name, i) => bar.classList.toggle(name, i === place));
  bar.classList.toggle("negative", isNegative);
  bar.querySelector(".fill").style.setProperty("--from", from);
  bar.querySelector(".fill").style.setProperty("--share", share);
  bar.querySelector(".number").textContent = number;
}

/** Where the bar of a value begins and how long it is, on a track from `low` to `high`, which include zero. */
export function spanOf(value, low, high) {
  const width = high - low || 1;
  return { from: (Math.min(value, 0) - low) / width, share: Math.abs(value) / width, isNegative: value < 0 };
}

export function percent(share) {
  return `${(100 * share).toFixed(1)}%`;
}

export function shortNumber(value) {
  return Math.abs(value) >= 1e5 || (value !== 0 && Math.abs(value) < 1e-3) ? value.toExponential(2) : value.toFixed(3);
}

/** A number as a person would type it: at most four significant digits, no zeros at the end. */
export function plainNumber(value) {
  return Math.abs(value) >= 1e3 && Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}

/** A number that tells values in a range of this width apart, and no more digits. */
export function nearNumber(value, width) {
  if (!(width > 0)) return plainNumber(value);
  const step = 10 ** Math.floor(Math.log10(width / 1000));
  return String(Number((Math.round(value / step) * step).toPrecision(12)));
}

export function count(number, what) {
  return `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;
}
