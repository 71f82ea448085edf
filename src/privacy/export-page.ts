import { counted, formatTime } from '../core/text.js';
import { wordsOf } from './privacy-texts.js';
import type { ExportPart, ExportPrinter } from './read-export.js';

/** What was begun and must be ended. */
type Open = 'nothing' | 'model' | 'list' | 'table';

/** A model with so many rows is printed as lists. */
const LISTED = 2;

const STYLE = `
  body { font: 16px/1.5 system-ui, sans-serif; color: #1a1a1a; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
  h1 { font-size: 1.6rem; margin-bottom: 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
  p { max-width: 42rem; } .note { color: #555; }
  dl { display: grid; grid-template-columns: minmax(9rem, max-content) 1fr; gap: .25rem 1.5rem; margin: 0; }
  dt { color: #555; } dd { margin: 0; overflow-wrap: anywhere; white-space: pre-wrap; }
  .rows { overflow-x: auto; } table { border-collapse: collapse; font-size: .875rem; }
  th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid #ddd; }
  th { color: #555; font-weight: 600; white-space: nowrap; }
  @media print { body { margin: 0; max-width: none; } h2 { break-after: avoid; } }`;

/** Returns a printer of a page for the person whom the export is about. It needs no network and runs no script. */
export function pagePrinter(): ExportPrinter {
  let open: Open = 'nothing';
  return (part) => {
    switch (part.kind) {
      case 'begin':
        return beginning(part);
      case 'model': {
        const text = `${endOf(open)}<h2>${html(title(part.model))}</h2>\n${retainedNote(part.retained)}`;
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
<title>Personal data: ${html(heading)}</title><style>${STYLE}
</style></head><body>
<h1>${html(heading)}</h1>
<p class="note">Everything that is stored about you, as of ${html(formatTime(exportedAt))} UTC. The same as data for a
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
              `<li>${html(`${title(model)}: ${counted(rows, 'record')}, ${because}`)}</li>`,
          ),
          '</ul>',
        ]
      : []),
    ...(made.length > 0
      ? [
          '<h2>What you made</h2>\n<p>These records are about other people, so they are counted and not shown.</p>\n<ul>',
          ...made.map(
            ([name, rows]) => `<li>${html(`${titleOfField(name)}: ${counted(rows, 'record')}`)}</li>`,
          ),
          '</ul>',
        ]
      : []),
    ...(omitted.length > 0
      ? [
          `<h2>What is left out</h2>\n<p>Passwords and other secrets: ${html(omitted.map((name) => secretText(name)).join(', '))}.</p>`,
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
  return because === undefined ? '' : `<p class="note">Kept by law: ${html(because)}.</p>\n`;
}

function list(row: object): string {
  const entries = Object.entries(row).map(
    ([name, value]) => `<dt>${html(title(name))}</dt><dd>${html(valueText(value))}</dd>`,
  );
  return `<dl>\n${entries.join('\n')}\n</dl>\n`;
}

function tableHead(row: object): string {
  const cells = Object.keys(row).map((name) => `<th>${html(title(name))}</th>`);
  return `<div class="rows"><table><thead><tr>${cells.join('')}</tr></thead><tbody>\n`;
}

function tableRow(row: object): string {
  const cells = Object.values(row).map((value) => `<td>${html(valueText(value))}</td>`);
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

function valueText(value: unknown): string {
  if (value === null) return '–';
  if (typeof value === 'string') {
    return /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[\d.]*Z$/.test(value) ? `${formatTime(value)} UTC` : value;
  }
  return JSON.stringify(value);
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function html(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
