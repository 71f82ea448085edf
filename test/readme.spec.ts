import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { SETTING_NAMES } from '../src/config/environment-variables.js';
import { CHECK_CODES } from '../src/errors.js';
import { openApiDocument } from '../src/http/openapi.js';

const readme = readFileSync('README.md', 'utf8');

describe('the README', () => {
  it('explains every code', () => {
    expect(CHECK_CODES.filter((code) => !readme.includes(`| \`${code}\``))).toEqual([]);
  });

  it('has every setting and every route', () => {
    expect(SETTING_NAMES.filter((name) => !readme.includes(`\`${name}\``))).toEqual([]);
    expect(Object.keys(openApiDocument.paths).filter((path) => !readme.includes(`${path}\``))).toEqual([]);
  });

  it('links to files that exist', () => {
    const links = [...readme.matchAll(/\]\((?!http|#)([^)]+)\)/g)].map(([, target = '']) => target);
    expect(links.length).toBeGreaterThan(3);
    for (const link of links) expect(() => readFileSync(link)).not.toThrow(/ENOENT/);
  });

  it('names one set of Node.js versions wherever it names them', () => {
    const { engines } = JSON.parse(readFileSync('package.json', 'utf8'));
    const sentence = `The package asks for Node.js \`${engines.node}\`; a clone also runs on \`^20.19.0\`.`;
    for (const page of ['README.md', 'CONTRIBUTING.md']) {
      expect(readFileSync(page, 'utf8')).toContain(sentence);
    }
    expect(readFileSync('scripts/lib/node-version.mjs', 'utf8')).toContain(sentence.replaceAll('`', ''));
  });
});
