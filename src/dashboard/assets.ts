import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { packageFile } from '../core/package-file.js';
import { type Answer, asset } from './answer.js';
import type { AssetNames } from './layout.js';

interface Asset {
  readonly name: string;
  readonly answer: Answer;
}

/** The style sheet, the script and the icons: read once, when the first page is asked for. */
const STYLE = read('dashboard.css', 'text/css; charset=utf-8');
const SCRIPT = read('dashboard.js', 'text/javascript; charset=utf-8');
const GOOD = named('good.svg', 'image/svg+xml', iconOf('#11703f', 'M5 7.8l2.2 2.2L11 6'));
const BAD = named('bad.svg', 'image/svg+xml', iconOf('#b3201c', 'M8 4.4v4.2m0 2v.2'));

const ASSETS = new Map([STYLE, SCRIPT, GOOD, BAD].map(({ name, answer }) => [name, answer]));

export const ASSET_NAMES: AssetNames = {
  style: STYLE.name,
  script: SCRIPT.name,
  good: GOOD.name,
  bad: BAD.name,
};

/** Returns a file by its name; undefined if there is none, or none with these contents. */
export function assetOf(name: string): Answer | undefined {
  return ASSETS.get(name);
}

function read(file: string, contentType: string): Asset {
  return named(file, contentType, readFileSync(packageFile(`assets/${file}`), 'utf8'));
}

function named(file: string, contentType: string, contents: string): Asset {
  const digest = createHash('sha256').update(contents).digest('hex').slice(0, 12);
  return { name: file.replace('.', `.${digest}.`), answer: asset(contentType, contents) };
}

function iconOf(colour: string, mark: string): string {
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path fill="${colour}" d="M8 .8l6 2v5c0 3.6-2.4 6-6 7.4-3.6-1.4-6-3.8-6-7.4v-5z"/><path fill="none" stroke="#fff" stroke-width="1.7" stroke-linecap="round" d="${mark}"/></svg>`;
}
