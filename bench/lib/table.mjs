/**
 * One line of the table.
 *
 * @typedef {object} Row
 * @property {string} measure what was measured
 * @property {string} value pgkeep's
 * @property {string} [against] what it is compared with, and its value
 * @property {number} [ratio] pgkeep's value divided by that
 * @property {string} [reach] the target for pgkeep
 * @property {boolean} [met] whether it meets the target
 */

const HEADINGS = ['measure', 'pgkeep', 'against', 'ratio', 'reach', ''];
/** Columns of numbers, which are aligned to the right. */
const RIGHT = new Set([1, 3]);

/**
 * The rows as a text table, with columns as wide as necessary.
 *
 * @param {readonly Row[]} rows
 */
export function table(rows) {
  const lines = [HEADINGS, ...rows.map(cells)];
  const widths = HEADINGS.map((_, column) => Math.max(...lines.map((line) => line[column].length)));
  const rule = widths.map((width) => '-'.repeat(width));
  const text = (/** @type {readonly string[]} */ line) =>
    line
      .map((cell, column) => pad(cell, widths[column], RIGHT.has(column)))
      .join('  ')
      .trimEnd();
  return [lines[0], rule, ...lines.slice(1)].map(text).join('\n');
}

/** @param {Row} row */
function cells({ measure, value, against = '', ratio, reach = '', met }) {
  const verdict = met === undefined ? '' : met ? 'met' : 'NOT MET';
  return [measure, value, against, ratio === undefined ? '' : ratio.toFixed(2), reach, verdict];
}

/**
 * @param {string} cell
 * @param {number} width
 * @param {boolean} right
 */
const pad = (cell, width, right) => (right ? cell.padStart(width) : cell.padEnd(width));
