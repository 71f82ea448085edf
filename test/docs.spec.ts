import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { type VerbEntry, VERBS } from '../src/cli/verbs.js';
import { SETTING_NAMES } from '../src/config/settings-list.js';
import { openApiDocument } from '../src/http/openapi-document.js';
import { CHECK_CODES, CHECK_NAMES, hintOf } from '../src/readiness/checks.js';

const DOCS = readdirSync('docs')
  .filter((name) => name.endsWith('.md'))
  .map((name) => `docs/${name}`);
const PAGES = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'examples/clinic/README.md',
  ...DOCS,
];

describe('the documentation', () => {
  it('has the section that the hints of /ready link to, for every check and code', () => {
    const anchors = new Set(anchorsOf('docs/checks.md'));
    expect(CHECK_NAMES.filter((name) => !anchors.has(name.toLowerCase()))).toEqual([]);
    const [page, ...hinted] = new Set(CHECK_CODES.flatMap((code) => hintOf(code)?.split('#') ?? []));
    expect(page).toBe('docs/checks.md');
    expect(hinted.filter((anchor) => !anchors.has(anchor))).toEqual([]);
    expect(hinted).toHaveLength(CHECK_CODES.length);
  });

  it('has every setting, aliases included', () => {
    const page = readFileSync('docs/settings.md', 'utf8');
    const example = readFileSync('.env.example', 'utf8');
    expect(SETTING_NAMES.length).toBeGreaterThan(50);
    expect(SETTING_NAMES.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
    expect(SETTING_NAMES.filter((name) => !new RegExp(`\\b${name}\\b`).test(example))).toEqual([]);
  });

  it('equals what `npm run docs:generate` writes', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/generate-docs.mjs', '--check'], {
      encoding: 'utf8',
    });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
  });

  it('has every route', () => {
    const page = readFileSync('docs/http.md', 'utf8');
    expect(Object.keys(openApiDocument().paths).filter((route) => !page.includes(`${route}\``))).toEqual([]);
  });

  it('has every command', () => {
    const page = readFileSync('docs/cli.md', 'utf8');
    const commands = VERBS.flatMap((verb) => commandsOf(verb));
    expect(commands.length).toBeGreaterThan(20);
    expect(commands.filter((command) => !new RegExp(`\`${command}[ \`]`).test(page))).toEqual([]);
  });

  it('links to files and headings that exist', () => {
    const links = PAGES.flatMap((page) => linksOf(page));
    expect(links.length).toBeGreaterThan(50);
    expect(links.filter((link) => !leadsSomewhere(link))).toEqual([]);
  });

  it('lists every page of docs/ in its index', () => {
    const listed = new Set(linksOf('docs/README.md').map(({ file }) => file));
    expect(DOCS.filter((page) => page !== 'docs/README.md' && !listed.has(page))).toEqual([]);
  });

  it('has a README of at most 10 KB', () => {
    expect(statSync('README.md').size).toBeLessThanOrEqual(10_240);
  });

  it('names one set of Node.js versions', () => {
    const { engines } = JSON.parse(readFileSync('package.json', 'utf8'));
    const sentence = `The package asks for Node.js \`${engines.node}\`; a clone also runs on \`^20.19.0\`.`;
    for (const page of ['README.md', 'CONTRIBUTING.md']) {
      expect(readFileSync(page, 'utf8')).toContain(sentence);
    }
    expect(readFileSync('scripts/lib/node-version.mjs', 'utf8')).toContain(sentence.replaceAll('`', ''));
  });
});

interface Link {
  readonly page: string;
  readonly file: string;
  readonly anchor: string | undefined;
}

function commandsOf({ name, load, verbs = [] }: VerbEntry): string[] {
  const listed = verbs.filter(({ isHidden }) => isHidden !== true);
  const below = listed.flatMap((verb) => commandsOf(verb)).map((command) => `${name} ${command}`);
  return load ? [name, ...below] : below;
}

/** Returns the relative links of a page, with the paths of their files from the root of the repository. */
function linksOf(page: string): Link[] {
  const targets = proseOf(page).matchAll(/\]\((?!https?:)([^#)]*)(?:#([^)]+))?\)/g);
  return [...targets].map(([, target = '', anchor]) => ({
    page,
    file: target === '' ? page : path.posix.join(path.posix.dirname(page), target),
    anchor,
  }));
}

function leadsSomewhere({ file, anchor }: Link): boolean {
  return existsSync(file) && (anchor === undefined || anchorsOf(file).includes(anchor));
}

/** Returns the anchors that GitHub gives to the headings of a page. */
function anchorsOf(page: string): string[] {
  const seen = new Map<string, number>();
  return [...proseOf(page).matchAll(/^#{1,6} (.+)$/gm)].map(([, title = '']) => {
    const slug = title
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-');
    const before = seen.get(slug) ?? 0;
    seen.set(slug, before + 1);
    return before === 0 ? slug : `${slug}-${before}`;
  });
}

/** Returns a page without its code blocks, whose comments look like headings. */
function proseOf(page: string): string {
  return readFileSync(page, 'utf8').replaceAll(/^ *```[\s\S]*?^ *```$/gm, '');
}
