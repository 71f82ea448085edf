/**
 * Returns a table. Prettier aligns its columns; a `|` within a cell is escaped.
 *
 * @param {readonly string[]} header
 * @param {readonly (readonly string[])[]} rows
 */
export function table(header, rows) {
  const line = (/** @type {readonly string[]} */ cells) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;
  return [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');
}

/**
 * Fills the generated parts of a page that is otherwise written by hand. A part stands between
 * `<!-- generated: NAME -->` and `<!-- end -->`, each on its own line.
 *
 * @param {string} page
 * @param {Readonly<Record<string, string>>} parts by name; each must be in the page, and the page must have no other
 */
export function fillParts(page, parts) {
  const filled = new Set();
  const result = page.replaceAll(
    /^(<!-- generated: (.+) -->)$[\s\S]*?^(<!-- end -->)$/gm,
    (_, begin, name, end) => {
      const part = parts[name];
      if (part === undefined) throw new Error(`No generator makes the part "${name}".`);
      filled.add(name);
      return `${begin}\n\n${part}\n\n${end}`;
    },
  );
  const missing = Object.keys(parts).filter((name) => !filled.has(name));
  if (missing.length > 0) throw new Error(`The page has no marker for the part "${missing.join('", "')}".`);
  return result;
}
