// The documentation of the API: openapi.json as a page, with requests to try.

const LONGEST_LIST = 12; // entries of an example that are shown; the request to try has all of them
const find = (id) => document.getElementById(id);

/** Make an element; text is text, never HTML. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

async function start() {
  const response = await fetch("openapi.json");
  if (!response.ok) throw new Error(`The server answers ${response.status}.`);
  const api = await response.json();
  document.title = find("title").textContent = api.info.title;
  find("about").append(
    `${api.info.description} Version ${api.info.version}. `,
    make("a", { href: "openapi.json" }, "openapi.json"),
  );
  let group = null;
  for (const [path, item] of Object.entries(api.paths)) {
    for (const [method, operation] of Object.entries(item)) {
      const [next] = operation.tags;
      if (next !== group) find("operations").append(make("h2", {}, `The ${(group = next)}`));
      find("operations").append(describe(api, path, method.toUpperCase(), operation));
    }
  }
}

/** One operation; what is in it is made when it is opened. */
function describe(api, path, method, operation) {
  const details = make(
    "details",
    {},
    make(
      "summary",
      {},
      make("span", { className: "method" }, method),
      make("code", {}, path),
      ` ${operation.summary}`,
    ),
  );
  details.addEventListener("toggle", () => fill(api, path, method, operation, details), { once: true });
  return details;
}

function fill(api, path, method, operation, details) {
  const resolve = (schema) => (schema?.$ref ? resolve(at(api, schema.$ref)) : schema);
  const body = make("div", { className: "body" });
  const sent = operation.requestBody?.content;
  const example = sent?.["application/json"] && exampleOf(sent["application/json"].schema, resolve);
  if (sent) body.append(make("h3", {}, `Body: ${Object.keys(sent).join(" or ")}`));
  body.append(...requestForm(path, method, operation.parameters ?? [], example));
  body.append(make("h3", {}, "Answers"), answers(operation));
  const answered = operation.responses["200"].content["application/json"];
  if (answered) {
    body.append(make("h3", {}, "Schema of the answer"));
    body.append(make("pre", {}, JSON.stringify(resolve(answered.schema), null, 2)));
  }
  details.append(body);
}

/** The value that a reference such as #/components/schemas/Model leads to. */
function at(api, reference) {
  return reference.slice(2).split("/").reduce((value, key) => value[key], api);
}

function answers(operation) {
  const rows = Object.entries(operation.responses).map(([status, answer]) =>
    make("tr", {}, make("td", {}, status), make("td", {}, answer.description)),
  );
  return make("table", {}, make("tbody", {}, ...rows));
}

/** A request as a command of curl, and a form that sends it. */
function requestForm(path, method, parameters, example) {
  const input = example && make("textarea", { value: JSON.stringify(example), spellcheck: false });
  input?.setAttribute("aria-label", `Body of ${method} ${path}`);
  const places = parameters.map(({ name }) => make("input", { name, value: "0" }));
  const address = () => {
    const filled = places.reduce((text, { name, value }) => text.replace(`{${name}}`, encodeURIComponent(value)), path);
    return new URL(filled.slice(1), document.baseURI);
  };
  const shown = example && ` -H 'Content-Type: application/json' -d '${JSON.stringify(shorten(example))}'`;
  const command = make("pre", {}, `curl ${address()}${shown ?? ""}`);
  const output = make("pre", { hidden: true });
  output.setAttribute("aria-live", "polite");
  const button = make("button", { type: "button" }, "Send");
  button.addEventListener("click", () => send(address(), method, input, output));
  const labels = places.map((place) => make("label", {}, `${place.name} `, place, " "));
  return [make("h3", {}, "Try it"), command, ...labels, ...(input ? [input] : []), button, output];
}

async function send(address, method, input, output) {
  output.hidden = false;
  output.textContent = "…";
  const body = input && { headers: { "Content-Type": "application/json" }, body: input.value };
  try {
    const response = await fetch(address, { method, ...body });
    output.textContent = `${response.status}\n${readable(await response.text())}`;
  } catch {
    output.textContent = "The server does not answer.";
  }
}

function readable(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** A value that fits a schema: zeros in the simplest form. */
function exampleOf(schema, resolve) {
  const { anyOf, oneOf, type, properties, items, minItems } = resolve(schema);
  if (anyOf ?? oneOf) {
    const forms = (anyOf ?? oneOf).map(resolve);
    return exampleOf(forms.find((form) => form.type === "object") ?? forms[0], resolve);
  }
  if (type === "object") {
    return Object.fromEntries(Object.entries(properties).map(([name, part]) => [name, exampleOf(part, resolve)]));
  }
  if (type === "array") return Array.from({ length: minItems ?? 1 }, () => exampleOf(items, resolve));
  return type === "number" ? 0 : "";
}

/** Cut long lists, for a command that can be read. */
function shorten(value) {
  if (Array.isArray(value)) {
    const entries = value.slice(0, LONGEST_LIST).map(shorten);
    return value.length > LONGEST_LIST ? [...entries, "..."] : entries;
  }
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, shorten(part)]));
  }
  return value;
}

start().catch((error) => {
  find("error").hidden = false;
  find("error").textContent = `The documentation cannot be shown: ${error.message}`;
});
