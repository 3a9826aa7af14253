// Paints arrays of numbers: one pixel of a canvas each, which the style sheet enlarges.

const dark = matchMedia("(prefers-color-scheme: dark)");

/** Call a function whenever the page goes from light to dark or back. */
export function whenColoursChange(repaint) {
  dark.addEventListener("change", repaint);
}

/** A picture in gray or in color, black at 0 and white at `most`. */
export function paintPicture(canvas, values, { width, channels }, most) {
  const starts = Array.from({ length: values.length / channels }, (_, i) => i * channels);
  paint(canvas, starts, width, (start) =>
    [0, 1, 2].map((color) => 255 * Math.min(Math.max(values[start + (channels === 3 ? color : 0)] / most, 0), 1)),
  );
}

/** Red above zero, blue below, the color of the background at zero; `most` and beyond are the strongest. */
export function paintSigned(canvas, values, columns, most) {
  const [zero, plus, minus] = dark.matches
    ? [[20, 25, 31], [255, 122, 107], [116, 166, 255]]
    : [[255, 255, 255], [194, 54, 43], [43, 99, 194]];
  paint(canvas, values, columns, (value) => {
    const share = most > 0 ? Math.min(Math.abs(value) / most, 1) : 0;
    const end = value < 0 ? minus : plus;
    return zero.map((level, i) => level + (end[i] - level) * share);
  });
}

/** Return feature maps of shape (height, width, channels) side by side, so many in a row, with NaN between them. */
export function mosaic(maps, [height, width, channels], across) {
  const columns = across * (width + 1) - 1;
  const values = Array((Math.ceil(channels / across) * (height + 1) - 1) * columns).fill(NaN);
  maps.forEach((value, i) => {
    const channel = i % channels;
    const pixel = Math.floor(i / channels);
    const y = Math.floor(channel / across) * (height + 1) + Math.floor(pixel / width);
    const x = (channel % across) * (width + 1) + (pixel % width);
    values[y * columns + x] = value;
  });
  return { values, columns };
}

/** Give each value a pixel, row by row; NaN, and the end of an incomplete last row, stay transparent. */
function paint(canvas, values, columns, colour) {
  canvas.width = columns;
  canvas.height = Math.ceil(values.length / columns);
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  values.forEach((value, i) => {
    if (!Number.isNaN(value)) image.data.set([...colour(value), 255], 4 * i);
  });
  context.putImageData(image, 0, 0);
}
