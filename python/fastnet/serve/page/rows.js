// Reads what somebody pastes from a table.

/**
 * Find a row of `count` numbers, or of one more with the label first, in pasted text.
 *
 * Numbers are separated by commas, semicolons, tabs or blanks. A line of names above them is skipped, as are all rows
 * after the first.
 *
 * @returns {{values: number[], label: string | null}}
 * @throws {Error} that says what is wrong, for people
 */
export function parseRow(text, count) {
  const lines = text.split(/\r?\n/).map(cells).filter((line) => line.length);
  if (!lines.length) throw new Error(`There is no row: paste ${count} numbers, or a label and ${count} numbers.`);
  const row = lines.length > 1 && lines[0].slice(1).every((cell) => Number.isNaN(numberOf(cell))) ? lines[1] : lines[0];
  if (row.length !== count && row.length !== count + 1) {
    throw new Error(
      `The row has ${row.length} ${row.length === 1 ? "value" : "values"}: ` +
        `this model takes ${count}, or ${count + 1} with the label first.`,
    );
  }
  const label = row.length > count ? row[0] : null;
  const values = row.slice(row.length - count).map(numberOf);
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0) {
    const place = wrong + 1 + (label === null ? 0 : 1);
    throw new Error(`Value ${place} of the row is “${row[place - 1].slice(0, 40)}”, which is not a number.`);
  }
  return { values, label };
}

function cells(line) {
  const trimmed = line.trim().replace(/[,;]$/, "");
  const parts = /[,;\t]/.test(trimmed) ? trimmed.split(/[,;\t]/) : trimmed.split(/\s+/);
  return trimmed ? parts.map((part) => part.trim().replace(/^"(.*)"$/, "$1")) : [];
}

function numberOf(cell) {
  return cell === "" ? NaN : Number(cell);
}
