// Parses a row pasted from a table.

/**
 * Find a row of `count` numbers in pasted text, or of one more: a label comes first, or last if it is not a number.
 *
 * Numbers are separated by commas, semicolons, tabs or blanks. A line of names above them is skipped, as are all rows
 * after the first.
 *
 * @returns {{values: number[], label: string | null}}
 * @throws {Error} with a message for the user
 */
export function parseRow(text, count) {
  const lines = text.split(/\r?\n/).map(cells).filter((line) => line.length);
  if (!lines.length) throw new Error(`There is no row: paste ${count} numbers, or a label and ${count} numbers.`);
  const hasNames = lines[0].every((cell) => Number.isNaN(numberOf(cell)));
  const row = hasNames && lines.length > 1 ? lines[1] : lines[0];
  if (row.length !== count && row.length !== count + 1) {
    throw new Error(
      `The row has ${row.length} ${row.length === 1 ? "value" : "values"}: ` +
        `this model takes ${count}, or ${count + 1} with the label.`,
    );
  }
  const labelled = row.length > count;
  const labelIsLast = labelled && Number.isNaN(numberOf(row[count]));
  const first = labelled && !labelIsLast ? 1 : 0;
  const values = row.slice(first, first + count).map(numberOf);
  const wrong = first + values.findIndex((value) => !Number.isFinite(value));
  if (wrong >= first) {
    throw new Error(`Value ${wrong + 1} of the row is “${row[wrong].slice(0, 40)}”, which is not a number.`);
  }
  return { values, label: labelled ? row.at(labelIsLast ? -1 : 0) : null };
}

function cells(line) {
  const trimmed = line.trim().replace(/[,;]$/, "");
  const parts = /[,;\t]/.test(trimmed) ? trimmed.split(/[,;\t]/) : trimmed.split(/\s+/);
  return trimmed ? parts.map((part) => part.trim().replace(/^"(.*)"$/, "$1")) : [];
}

function numberOf(cell) {
  return cell === "" ? NaN : Number(cell);
}
