import { describe, expect, it } from '@jest/globals';
import {
  boundedList,
  counted,
  countedList,
  formatBytes,
  pluralOf,
  printable,
  printableCell,
  withoutStop,
} from '../../src/core/text.js';

describe('texts', () => {
  it.each([
    [0, '0 rows'],
    [1, '1 row'],
    [2, '2 rows'],
    [7172, '7,172 rows'],
  ])('count %d', (count, text) => {
    expect(counted(count, 'row')).toBe(text);
  });

  it('form plurals, or use the given plural', () => {
    expect(['row', 'index', 'policy', 'key'].map((noun) => pluralOf(2, noun))).toEqual([
      'rows',
      'indexes',
      'policies',
      'keys',
    ]);
    expect([counted(1, 'schema', 'schemata'), counted(2, 'schema', 'schemata')]).toEqual([
      '1 schema',
      '2 schemata',
    ]);
  });

  it('list a few names and count the rest', () => {
    const names = Array.from({ length: 1420 }, (_, index) => `m${index}`);
    expect(boundedList([])).toBe('');
    expect(boundedList(names.slice(0, 8))).toBe('m0, m1, m2, m3, m4, m5, m6, m7');
    expect(boundedList(names)).toBe('m0, m1, m2, m3, m4, m5, m6, m7 and 1,412 more');
    expect(boundedList(names, 2)).toBe('m0, m1 and 1,418 more');
    expect(boundedList(['a', 'b', 'c'], 2, '; ')).toBe('a; b and 1 more');
    expect([countedList('table', ['a']), countedList('table', ['a', 'b', 'c'], 2)]).toEqual([
      'table a',
      '3 tables a, b and 1 more',
    ]);
  });

  it('show sizes in one format', () => {
    expect([0, 1023, 1024, 1_572_864, 5 * 1024 ** 4].map(formatBytes)).toEqual([
      '0 B',
      '1023 B',
      '1.0 kB',
      '1.5 MB',
      '5.0 TB',
    ]);
  });

  it('replace terminal control characters', () => {
    expect(printable('a\u001b[2Jb\n\tc')).toBe('a\uFFFD[2Jb\n\tc');
    expect(printableCell('a\u001bb\nc')).toBe('a\uFFFDb\uFFFDc');
  });

  it('continue a sentence', () => {
    expect([withoutStop('It failed.'), withoutStop('it failed')]).toEqual(['It failed', 'it failed']);
  });
});
