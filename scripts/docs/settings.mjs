import { declarationsOf, namesOf, UNITS } from '../../dist/config/setting.js';
import { SECTIONS } from '../../dist/config/settings-list.js';
import { fillParts, table } from './markdown.mjs';

/** @typedef {import('../../dist/config/setting.js').Declaration} Declaration */

const WIDTH = 118;
const HEADER = `\
# Every setting of pgkeep, generated from src/config. Copy this file to .env (or .env.production, .env.staging … for
# \`--env\`) and keep what you need. A variable of the shell wins over these files. Any NAME can also be given as
# NAME_FILE, the path of a file that contains the value (Docker and Kubernetes secrets).
`;

/** @type {import('./pages.mjs').Page} */
export const environmentExample = { file: '.env.example', render: renderExample };

/** @type {import('./pages.mjs').Page} */
export const settingsPage = { file: 'docs/settings.md', render: renderPage };

/** Returns .env.example. */
function renderExample() {
  const sections = SECTIONS.map(({ title, classes }) => {
    const entries = classes.flatMap((settings) => declarationsOf(settings)).map(exampleOf);
    const heading = `# --- ${title} ${'-'.repeat(WIDTH - 7 - title.length)}`;
    return [heading, ...entries].join('\n\n');
  });
  return `${[HEADER.trimEnd(), ...sections].join('\n\n')}\n`;
}

/**
 * Returns docs/settings.md with a table for each section: the part of its name.
 *
 * @param {string} current
 */
function renderPage(current) {
  const parts = SECTIONS.map(({ title, classes }) => {
    const rows = classes.flatMap((settings) => declarationsOf(settings)).map(rowOf);
    return [title, table(['setting', 'default', 'what it is'], rows)];
  });
  return fillParts(current, Object.fromEntries(parts));
}

/** @param {Declaration} declaration */
function rowOf(declaration) {
  const [name = '', ...aliases] = namesOf(declaration).map((text) => `\`${text}\``);
  return [
    aliases.length > 0 ? `${name} (${aliases.join(', ')})` : name,
    defaultOf(declaration),
    declaration.text,
  ];
}

/**
 * Returns the default in Markdown; empty if there is none.
 *
 * @param {Declaration} declaration
 */
function defaultOf({ defaultText, fixedDefault, unit }) {
  if (defaultText !== undefined) return defaultText;
  if (!fixedDefault) return '';
  return unit === undefined ? `\`${fixedDefault}\`` : `${fixedDefault} ${UNITS[unit]}`;
}

/** @param {Declaration} declaration */
function exampleOf(declaration) {
  const { name, text, aliases = [], example, fixedDefault = '' } = declaration;
  const byDefault = plain(defaultOf(declaration));
  const sentences = [
    `${capitalized(plain(text))}.`,
    byDefault === '' ? 'No default.' : `Default: ${byDefault}.`,
    ...(aliases.length > 0 ? [`${aliases.length === 1 ? 'Alias' : 'Aliases'}: ${aliases.join(', ')}.`] : []),
  ];
  return [...comment(sentences.join(' ')), `#${name}=${example ?? fixedDefault}`].join('\n');
}

/**
 * Returns Markdown for a comment: without backticks around single words, and with pages instead of links.
 *
 * @param {string} markdown
 */
function plain(markdown) {
  return markdown
    .replaceAll(/\[[^\]]+\]\(([^)#]+)(?:#[^)]*)?\)/g, 'docs/$1')
    .replaceAll(/`([^`\s]+)`/g, '$1');
}

/** @param {string} text */
function capitalized(text) {
  return /^[a-z]+\b(?!_)/.test(text) ? `${text.charAt(0).toUpperCase()}${text.slice(1)}` : text;
}

/**
 * Returns the lines of a comment.
 *
 * @param {string} text
 */
function comment(text) {
  /** @type {string[]} */
  const lines = [];
  let line = '#';
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}
