// Requests to the server, with readable errors.

/** Fetch JSON; null for a 404 if that is a valid answer. */
export async function getJson(path, { optional = false } = {}) {
  const response = await send(path);
  if (optional && response.status === 404) return null;
  return body(response);
}

/**
 * Sends instances to the model, one at a time. While a request is running, only the newest of the waiting ones is kept,
 * because an answer to an outdated drawing is of no use.
 */
export class Asker {
  /**
   * @param {(answer: object, milliseconds: number) => void} onAnswer
   * @param {(error: Error) => void} onError
   */
  constructor(onAnswer, onError) {
    this.onAnswer = onAnswer;
    this.onError = onError;
    this.waiting = null;
    this.busy = false;
    this.drawing = 0; // identifies the drawing that answers belong to
  }

  ask(instance) {
    this.waiting = instance;
    if (!this.busy) this.#work();
  }

  /** Drop the waiting request, and the answer to the running one. */
  forget() {
    this.waiting = null;
    this.drawing++;
  }

  async #work() {
    this.busy = true;
    while (this.waiting) {
      const { drawing, waiting } = this;
      this.waiting = null;
      const start = performance.now();
      const done = await post("explain", { instance: waiting }).then(
        (answer) => () => this.onAnswer(answer, performance.now() - start),
        (error) => () => this.onError(error),
      );
      if (drawing === this.drawing) done();
    }
    this.busy = false;
  }
}

async function post(path, content) {
  const headers = { "Content-Type": "application/json" };
  return body(await send(path, { method: "POST", headers, body: JSON.stringify(content) }));
}

/** Return the predictions for several instances. */
export async function predict(instances) {
  const { predictions } = await post("predict", { instances });
  return predictions;
}

async function send(path, options) {
  try {
    return await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is “fastnet serve” still running?");
  }
}

async function body(response) {
  const json = await response.json().catch(() => null);
  if (response.ok && json !== null) return json;
  throw new Error(`The server refused the request (${response.status}): ${reason(json) ?? response.statusText}`);
}

/** Return the reason of a refusal as text. */
function reason(json) {
  const detail = json?.detail ?? json?.error ?? json?.message;
  return detail === undefined || typeof detail === "string" ? detail : JSON.stringify(detail);
}
