// Conversion of drawings and photos to the images of a model: digits as in MNIST or scikit-learn's, and pictures.
//
// fastnet/serve/preprocessing.py does the same in Python and explains it. All numbers are integers below 2**53, so that
// sums are exact in any order, and both give the same bytes.

/**
 * Center and scale a digit as in MNIST.
 *
 * @param {{width: number, height: number, data: Uint8ClampedArray}} image RGBA, as of `getImageData`
 * @returns {Uint8Array} size * size gray levels, light ink on a dark background; all zeros without ink
 */
export function centreDigit(image, size = 28, box = 20) {
  const result = new Uint8Array(size * size);
  const ink = inkOf(image);
  if (!ink) return result;
  const longer = Math.max(ink.width, ink.height);
  const digit = fit(ink, share(ink.width * box, longer), share(ink.height * box, longer), 255);
  const rows = Array(digit.height).fill(0);
  const columns = Array(digit.width).fill(0);
  digit.values.forEach((value, i) => {
    rows[Math.floor(i / digit.width)] += value;
    columns[i % digit.width] += value;
  });
  place(digit, result, size, offset(columns, size), offset(rows, size));
  return result;
}

/** Scale a digit as in the digits of scikit-learn: 64 values from 0 to 16. */
export function smallDigit(image) {
  const result = new Uint8Array(64);
  const ink = inkOf(image);
  if (!ink) return result;
  const columns = Math.min(share(8 * ink.width, ink.height), 6);
  place(fit(ink, columns, 8, 16), result, 8, Math.floor((8 - columns) / 2), 0);
  return result;
}

/**
 * Scale the middle of a picture to a model's images, in gray or in color.
 *
 * @param {number[]} shape height, width and channels: 1 for gray levels, 3 for RGB
 * @returns {Uint8Array} levels from 0 to 255, those of a pixel side by side
 */
export function scalePicture(image, [height, width, channels]) {
  const result = new Uint8Array(height * width * channels);
  const planes = channels === 3 ? [0, 1, 2].map((channel) => colourOf(image, channel)) : [greyOf(image)];
  planes.forEach((plane, channel) => {
    const part = middle(plane, height, width);
    const area = part.width * part.height;
    sumsOf(part, width, height).forEach((sum, i) => {
      result[i * channels + channel] = Math.floor((2 * sum + area) / (2 * area));
    });
  });
  return result;
}

/** The largest part in the middle of a plane with the aspect ratio of these sides. */
function middle(plane, height, width) {
  const tall = Math.min(plane.height, Math.max(1, Math.floor((plane.width * height) / width)));
  const wide = Math.min(plane.width, Math.max(1, Math.floor((plane.height * width) / height)));
  return cut(plane, Math.floor((plane.width - wide) / 2), Math.floor((plane.height - tall) / 2), wide, tall);
}

function place({ width, height, values }, result, size, left, top) {
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) result[(top + y) * size + left + x] = values[y * width + x];
  }
}

/** Gray levels from 0 to 255: the luma of ITU-R BT.601, on a white background. */
function greyOf({ width, height, data }) {
  const values = new Uint8Array(width * height);
  for (let i = 0, p = 0; i < values.length; i++, p += 4) {
    const luma = data[p] * 299 + data[p + 1] * 587 + data[p + 2] * 114;
    const alpha = data[p + 3];
    values[i] = Math.floor((luma * alpha + 255000 * (255 - alpha) + 127500) / 255000);
  }
  return { width, height, values };
}

/** Levels of red, green or blue from 0 to 255, on a white background. */
function colourOf({ width, height, data }, channel) {
  const values = new Uint8Array(width * height);
  for (let i = 0; i < values.length; i++) {
    const alpha = data[4 * i + 3];
    values[i] = Math.floor((data[4 * i + channel] * alpha + 255 * (255 - alpha) + 127) / 255);
  }
  return { width, height, values };
}

/** How much each pixel differs from the background, within the smallest rectangle around the ink, if any. */
function inkOf(image) {
  const { width, height, values } = greyOf(image);
  const border = Uint8Array.from(borderOf(width, height), (i) => values[i]).sort();
  const ground = border[Math.floor((border.length - 1) / 2)];
  const spread = border.map((value) => Math.abs(value - ground)).sort()[Math.floor(((border.length - 1) * 9) / 10)];
  const ink = values.map((value) => Math.max(ground > 127 ? ground - value : value - ground, 0));
  const strongest = ink.reduce((most, value) => Math.max(most, value), 0);
  const least = Math.min(Math.max(2 * spread, Math.floor(strongest / 3)), Math.floor(strongest / 2));
  const threshold = spread ? least : 0;
  return crop({ width, height, values: ink.map((value) => (value > threshold ? value : 0)) });
}

/** The indices of the pixels of the outermost rows and columns, each of them once. */
function borderOf(width, height) {
  const border = [];
  for (let i = 0; i < width * height; i++) {
    const x = i % width;
    const y = Math.floor(i / width);
    if (x === 0 || y === 0 || x === width - 1 || y === height - 1) border.push(i);
  }
  return border;
}

/** The smallest rectangle that holds all ink, or null if there is none. */
function crop({ width, height, values }) {
  let [left, right, top, bottom] = [width, -1, height, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (!values[y * width + x]) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = y;
    }
  }
  if (right < 0) return null;
  return cut({ width, values }, left, top, right - left + 1, bottom - top + 1);
}

/** A rectangle of a plane. */
function cut(plane, left, top, width, height) {
  const values = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const start = (top + y) * plane.width + left;
    values.set(plane.values.subarray(start, start + width), y * width);
  }
  return { width, height, values };
}

/** A quotient as a number of pixels: rounded, and at least 1. */
function share(numerator, denominator) {
  return Math.max(1, Math.floor((2 * numerator + denominator) / (2 * denominator)));
}

/** Scale to a number of columns and rows; the strongest pixel of the result gets the given value. */
function fit(ink, columns, rows, strongest) {
  const sums = sumsOf(ink, columns, rows);
  const peak = Math.max(...sums);
  const scaled = sums.map((sum) => Math.floor((2 * strongest * sum + peak) / (2 * peak)));
  return { width: columns, height: rows, values: scaled };
}

/** What each of so many columns and rows covers, summed: the mean times the number of pixels of the plane. */
function sumsOf({ width, height, values }, columns, rows) {
  const narrowed = new Float64Array(height * columns);
  for (const [cell, pixel, overlap] of cover(width, columns)) {
    for (let y = 0; y < height; y++) narrowed[y * columns + cell] += overlap * values[y * width + pixel];
  }
  const sums = new Float64Array(rows * columns);
  for (const [cell, pixel, overlap] of cover(height, rows)) {
    for (let x = 0; x < columns; x++) sums[cell * columns + x] += overlap * narrowed[pixel * columns + x];
  }
  return sums;
}

/** The overlap of each cell with each pixel; a pixel has the length `cells`, a cell `pixels`. */
function cover(pixels, cells) {
  const parts = [];
  for (let cell = 0; cell < cells; cell++) {
    for (let pixel = Math.floor((cell * pixels) / cells); pixel * cells < (cell + 1) * pixels; pixel++) {
      const end = Math.min((pixel + 1) * cells, (cell + 1) * pixels);
      parts.push([cell, pixel, end - Math.max(pixel * cells, cell * pixels)]);
    }
  }
  return parts;
}

/** The offset that puts the center of mass of a digit on the middle pixel, as far as it fits. */
function offset(mass, size) {
  const total = mass.reduce((sum, value) => sum + value, 0);
  const moment = mass.reduce((sum, value, i) => sum + value * i, 0);
  const middle = Math.floor(size / 2);
  const start = Math.floor(((2 * middle + 1) * total - 2 * moment) / (2 * total));
  return Math.min(Math.max(start, 0), size - mass.length);
}
