// The drawing pad: strokes and pictures, with a history, on a canvas of any size and resolution.

const INK = 280; // side in pixels of the drawing from which the model's image is made
const MARGIN = 10; // around it, so that a stroke along the edge is not mistaken for the background
const LARGEST = 1024; // maximum side in pixels of a stored picture
const PACE = 1 / 28; // step of an arrow key, relative to the pad

/**
 * Draw on a canvas with mouse, finger, pen or keyboard.
 *
 * The pad shows the last picture, or the strokes drawn after it. Coordinates are relative to the side of the pad.
 */
export class Pad {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => void} onChange called when the contents of the pad change
   */
  constructor(canvas, onChange) {
    this.canvas = canvas;
    this.onChange = onChange;
    this.penWidth = 0.08;
    this.takesStrokes = true; // else only pictures
    this.history = []; // strokes, pictures, and null for a cleared pad
    this.stroke = null; // the stroke being drawn
    this.pen = null; // of the keyboard
    this.ink = document.createElement("canvas");
    this.ink.width = this.ink.height = INK + 2 * MARGIN;
    this.inkContext = this.ink.getContext("2d", { willReadFrequently: true });
    this.#listen();
  }

  get strokes() {
    return this.history.slice(this.history.findLastIndex((item) => !item?.points) + 1);
  }

  get picture() {
    const last = this.history.at(-1);
    return last?.points ? null : (last ?? null);
  }

  get isEmpty() {
    return !this.history.at(-1);
  }

  /** Put a picture on the pad: anything that a canvas can draw, and its row of numbers, if there is one. */
  show(source, row = null) {
    this.#push({ source, row });
  }

  clear() {
    if (!this.isEmpty) this.#push(null);
  }

  undo() {
    this.history.pop();
    this.#changed();
  }

  /** Return the contents of the pad as RGBA pixels. */
  pixels() {
    if (this.picture) return pixelsOf(this.picture.source);
    const context = this.inkContext;
    context.fillStyle = "#000";
    context.fillRect(0, 0, this.ink.width, this.ink.height);
    context.save();
    context.setTransform(INK, 0, 0, INK, MARGIN, MARGIN);
    context.beginPath();
    context.rect(0, 0, 1, 1);
    context.clip();
    drawStrokes(context, this.strokes, "#fff");
    context.restore();
    return context.getImageData(0, 0, this.ink.width, this.ink.height);
  }

  #push(item) {
    this.history.push(item);
    this.#changed();
  }

  #changed() {
    this.paint();
    this.onChange();
  }

  /** Repaint the pad after a change of its contents, its size or its colors. */
  paint() {
    const { canvas } = this;
    const side = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
    if (canvas.width !== side) canvas.width = canvas.height = side;
    const context = canvas.getContext("2d");
    context.setTransform(side, 0, 0, side, 0, 0);
    context.clearRect(0, 0, 1, 1);
    if (this.picture) drawPicture(context, this.picture);
    drawStrokes(context, this.strokes, getComputedStyle(canvas).getPropertyValue("--ink"));
    if (this.pen && document.activeElement === canvas) drawPen(context, this.pen, this.penWidth);
  }

  // ---- Pointers and keys ----

  #listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.#begin(event));
    canvas.addEventListener("pointermove", (event) => this.#follow(event));
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"]) {
      canvas.addEventListener(name, (event) => this.#end(event));
    }
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => this.paint());
    new ResizeObserver(() => this.paint()).observe(canvas);
  }

  #begin(event) {
    if (!this.takesStrokes || this.stroke || event.button !== 0) return; // a second finger, another button
    this.canvas.setPointerCapture(event.pointerId);
    this.stroke = { pointer: event.pointerId, width: this.penWidth, points: [this.#place(event)] };
    this.pen = null;
    this.#push(this.stroke);
  }

  #follow(event) {
    if (this.stroke?.pointer !== event.pointerId) return;
    const events = event.getCoalescedEvents?.() ?? [];
    this.stroke.points.push(...(events.length ? events : [event]).map((each) => this.#place(each)));
    this.#changed();
  }

  #end(event) {
    if (this.stroke?.pointer === event.pointerId) this.stroke = null;
  }

  #place(event) {
    const { left, top, width, height } = this.canvas.getBoundingClientRect();
    return [(event.clientX - left) / width, (event.clientY - top) / height];
  }

  #key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (!this.takesStrokes || event.ctrlKey || event.metaKey || event.altKey || (!step && event.key !== " ")) return;
    event.preventDefault();
    this.pen ??= { place: [0.5, 0.5], down: false };
    if (step) {
      this.pen.place = this.pen.place.map((value, i) => Math.min(Math.max(value + step[i] * PACE, 0), 1));
    } else {
      this.pen.down = !this.pen.down;
      if (this.pen.down) this.#push({ width: this.penWidth, points: [] });
    }
    if (this.pen.down) {
      if (!this.history.at(-1)?.points) this.#push({ width: this.penWidth, points: [] });
      this.history.at(-1).points.push(this.pen.place);
      this.#changed();
    } else {
      this.paint();
    }
  }
}

function drawStrokes(context, strokes, colour) {
  context.strokeStyle = context.fillStyle = colour;
  context.lineCap = context.lineJoin = "round";
  for (const { points, width } of strokes) {
    context.beginPath();
    context.lineWidth = width;
    if (!points.length) continue;
    context.moveTo(...points[0]);
    for (const point of points) context.lineTo(...point);
    context.stroke();
  }
}

/** Draw the whole picture in the middle of the pad. */
function drawPicture(context, { source }) {
  const longer = Math.max(source.width, source.height);
  const [width, height] = [source.width / longer, source.height / longer];
  context.imageSmoothingEnabled = longer > 100; // the pixels of a small picture stay visible
  context.drawImage(source, (1 - width) / 2, (1 - height) / 2, width, height);
}

function drawPen(context, { place, down }, width) {
  context.beginPath();
  context.arc(...place, width / 2 + 0.01, 0, 2 * Math.PI);
  context.strokeStyle = getComputedStyle(context.canvas).getPropertyValue("--accent");
  context.lineWidth = down ? 0.015 : 0.006;
  context.stroke();
}

/** Return the pixels of a picture, reduced if it is very large. */
function pixelsOf(source) {
  const scale = Math.min(1, LARGEST / Math.max(source.width, source.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(source.width * scale));
  canvas.height = Math.max(1, Math.round(source.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(source, 0, 0, canvas.width, canvas.height);
  return context.getImageData(0, 0, canvas.width, canvas.height);
}
