// Shows the answer of the model: the likeliest classes, or values.

import { barOf, element, find, percent, setBar, shortNumber, spanOf } from "./elements.js";

const MOST_BARS = 20; // beyond which only the likeliest classes have bars
const LIKELIEST = 10;
const NOTHING = "nothing to answer yet";

/** Create a bar for each class, or for each value of a model without classes; one value alone needs none. */
export function makeBars(names, { areClasses }) {
  const shown = areClasses && names.length > MOST_BARS ? names.slice(0, LIKELIEST) : names;
  find("bars").replaceChildren(...shown.map(barOf));
  find("bars").hidden = !areClasses && names.length === 1;
  find("runners").hidden = !areClasses;
}

/** Show the probabilities of the classes; empty bars without an answer. */
export function showProbabilities(names, probabilities) {
  const order = names.map((_, i) => i);
  if (probabilities) order.sort((a, b) => probabilities[b] - probabilities[a]);
  const bars = [...find("bars").children];
  const isCut = bars.length < names.length;
  bars.forEach((bar, i) => {
    const index = isCut ? order[i] : i;
    const share = probabilities?.[index] ?? 0;
    bar.querySelector(".name").textContent = names[index];
    setBar(bar, {
      share,
      number: probabilities ? percent(share) : "",
      place: probabilities && share > 0 ? order.indexOf(index) : -1,
    });
  });
  if (!probabilities) return showWinner(null, NOTHING);
  const [first, ...others] = order;
  if (!(probabilities[first] >= 0)) return showWinner(null, "the outputs are not numbers");
  showWinner(names[first], percent(probabilities[first]));
  showRunners(others.slice(0, 2).map((i) => [names[i], percent(probabilities[i])]));
}

/** Show the outputs of a model without classes. */
export function showValues(values) {
  const finite = values ?? [];
  const [low, high] = [Math.min(0, ...finite), Math.max(0, ...finite)];
  [...find("bars").children].forEach((bar, i) => {
    const span = values ? spanOf(values[i], low, high) : { share: 0 };
    setBar(bar, { ...span, number: values ? shortNumber(values[i]) : "" });
  });
  if (values?.length === 1) showWinner(shortNumber(values[0]), "");
  else showWinner(null, values ? "" : NOTHING);
}

function showWinner(name, certainty) {
  find("winner").textContent = name ?? "–";
  find("winner").classList.toggle("long", (name?.length ?? 0) > 8);
  find("certainty").textContent = certainty;
  showRunners([]);
}

/** The second and the third place, in words. */
function showRunners(runners) {
  const parts = runners.flatMap(([name, share], i) => [
    i ? ", " : "then ",
    element("b", { text: name }),
    ` ${share}`,
  ]);
  find("runners").replaceChildren(...parts);
}
