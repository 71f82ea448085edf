import { counted, escapeHtml, formatTime } from '../core/text.js';
import { wordsOf } from './privacy-texts.js';
import type { ExportPart, ExportPrinter } from './read-export.js';

/** What was begun and must be ended. */
type Open = 'nothing' | 'model' | 'list' | 'table';

/** A model with so many rows is printed as lists. */
const LISTED = 2;

/** So many characters of a value are shown; of one without a space, such as a photo as text, fewer. */
const LONGEST = 2000;
const LONGEST_WORD = 200;

const STYLE = `
  :root { color-scheme: light dark; --paper: #fff; --ink: #1a1a1a; --soft: #555; --line: #ddd; }
  @media (prefers-color-scheme: dark) { :root { --paper: #17181a; --ink: #e6e6e6; --soft: #a3a6ab; --line: #3a3c40; } }
  body { font: 16px/1.5 system-ui, sans-serif; background: var(--paper); color: var(--ink); margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
  h1 { font-size: 1.6rem; margin-bottom: 0; overflow-wrap: anywhere; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
  p { max-width: 42rem; } .note { color: var(--soft); } .more { color: var(--soft); font-style: italic; }
  hr { border: 0; border-top: 1px solid var(--line); margin: 1rem 0; }
  dl { display: grid; grid-template-columns: minmax(9rem, max-content) 1fr; gap: .25rem 1.5rem; margin: 0; }
  dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; }
  .rows { overflow-x: auto; } table { border-collapse: collapse; font-size: .875rem; }
  th, td { text-align: left; vertical-align: top; padding: .3rem 1rem .3rem 0; border-bottom: 1px solid var(--line); }
  th { color: var(--soft); font-weight: 600; white-space: nowrap; }
  td { min-width: 2rem; max-width: 22rem; overflow-wrap: break-word; white-space: pre-wrap; }
  .day { white-space: nowrap; }
  @media (max-width: 36rem) { body { margin: 1rem auto; } dl { display: block; } dd { margin: 0 0 .6rem; } }
  @media print { :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #444; --line: #bbb; }
    body { margin: 0; max-width: none; } h2 { break-after: avoid; } .rows { overflow: visible; } td, th { overflow-wrap: anywhere; white-space: pre-wrap; } }`;

/** Returns a printer of a page for the person whom the export is about. It needs no network and runs no script. */
export function pagePrinter(): ExportPrinter {
  let open: Open = 'nothing';
  return (part) => {
    switch (part.kind) {
      case 'begin':
        return beginning(part);
      case 'model': {
        const text = `${endOf(open)}<h2>${escapeHtml(title(part.model))}</h2>\n${retainedNote(part.retained)}`;
        open = 'model';
        return text;
      }
      case 'rows': {
        const rows = part.rows.map((row): unknown => JSON.parse(row)).filter((row) => isObject(row));
        // A table of few rows is harder to read than a list.
        if (open === 'model' && rows.length <= LISTED) {
          open = 'list';
          return rows.map((row) => list(row)).join('<hr>\n');
        }
        const head = open === 'model' && rows[0] ? tableHead(rows[0]) : '';
        open = 'table';
        return `${head}${rows.map((row) => tableRow(row)).join('')}`;
      }
      default:
        return `${endOf(open)}${ending(part)}`;
    }
  };
}

function beginning({ subject, exportedAt }: ExportPart & { kind: 'begin' }): string {
  const heading = `${title(subject.model)} ${subject.id}`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Personal data: ${escapeHtml(heading)}</title><style>${STYLE}
</style></head><body>
<h1>${escapeHtml(heading)}</h1>
<p class="note">Everything that is stored about you, as of ${escapeHtml(formatTime(exportedAt))} UTC. The same as data for a
computer is in the file beside this page.</p>
`;
}

function ending({ madeBySubject, retained, omitted }: ExportPart & { kind: 'end' }): string {
  const made = Object.entries(madeBySubject);
  return [
    ...(retained.length > 0
      ? [
          '<h2>What is kept by law</h2>\n<p>These records stay, also if you ask for erasure.</p>\n<ul>',
          ...retained.map(
            ({ model, rows, because }) =>
              `<li>${escapeHtml(`${title(model)}: ${counted(rows, 'record')}, ${because}`)}</li>`,
          ),
          '</ul>',
        ]
      : []),
    ...(made.length > 0
      ? [
          '<h2>What you made</h2>\n<p>These records are about other people, so they are counted and not shown.</p>\n<ul>',
          ...made.map(
            ([name, rows]) => `<li>${escapeHtml(`${titleOfField(name)}: ${counted(rows, 'record')}`)}</li>`,
          ),
          '</ul>',
        ]
      : []),
    ...(omitted.length > 0
      ? [
          `<h2>What is left out</h2>\n<p>Passwords and other secrets: ${escapeHtml(omitted.map((name) => secretText(name)).join(', '))}.</p>`,
        ]
      : []),
    '</body></html>\n',
  ].join('\n');
}

function endOf(open: Open): string {
  if (open === 'model') return '<p>Nothing is stored.</p>\n';
  return open === 'table' ? '</tbody></table></div>\n' : '';
}

function retainedNote(because: string | undefined): string {
  return because === undefined ? '' : `<p class="note">Kept by law: ${escapeHtml(because)}.</p>\n`;
}

function list(row: object): string {
  const entries = Object.entries(row).map(
    ([name, value]) => `<dt>${escapeHtml(title(name))}</dt><dd dir="auto">${cellOf(value)}</dd>`,
  );
  return `<dl>\n${entries.join('\n')}\n</dl>\n`;
}

function tableHead(row: object): string {
  const cells = Object.keys(row).map((name) => `<th>${escapeHtml(title(name))}</th>`);
  return `<div class="rows"><table><thead><tr>${cells.join('')}</tr></thead><tbody>\n`;
}

function tableRow(row: object): string {
  const cells = Object.values(row).map((value) => `<td dir="auto">${cellOf(value)}</td>`);
  return `<tr>${cells.join('')}</tr>\n`;
}

/** `fullName` → `Full name`. */
function title(name: string): string {
  const words = wordsOf(name);
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

/** `Session.examiner` → `Session, as examiner`. */
function titleOfField(name: string): string {
  const [model = '', field = ''] = name.split('.');
  return `${title(model)}, ${wordsOf(field)}`;
}

/** `User.passwordHash` → `password hash of user`. */
function secretText(name: string): string {
  const [model = '', field = ''] = name.split('.');
  return `${wordsOf(field)} of ${wordsOf(model)}`;
}

function cellOf(value: unknown): string {
  const text = valueText(value);
  if (/^\d{4}-\d\d-\d\d$/.test(text)) return `<span class="day">${escapeHtml(text)}</span>`;
  const longest = text.length > LONGEST_WORD && !/\s/.test(text) ? LONGEST_WORD : LONGEST;
  // A few more are shown rather than counted.
  if (text.length <= 1.5 * longest) return escapeHtml(text);
  const more = `${counted(text.length - longest, 'more character')}: see the file beside this page`;
  return `${escapeHtml(text.slice(0, longest).replace(/[\uD800-\uDBFF]$/, ''))}<span class="more">… ${more}</span>`;
}

function valueText(value: unknown): string {
  if (value === null) return '–';
  if (value === '') return '(empty)';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'string') {
    return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[\d.]*Z$/.test(value) ? `${formatTime(value)} UTC` : value;
  }
  if (Array.isArray(value) && value.every((item) => !isObject(item))) {
    return value.length === 0 ? '–' : value.map((item) => valueText(item)).join(', ');
  }
  return JSON.stringify(value);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}
