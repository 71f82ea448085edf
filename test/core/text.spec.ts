import { describe, expect, it } from '@jest/globals';
import { boundedList } from '../../src/core/bounded-list.js';
import { counted } from '../../src/core/counted.js';

describe('texts', () => {
  it.each([
    [0, '0 rows'],
    [1, '1 row'],
    [2, '2 rows'],
    [7172, '7,172 rows'],
  ])('count %d', (count, text) => {
    expect(counted(count, 'row')).toBe(text);
  });

  it('take the plural that is given', () => {
    expect([counted(1, 'entry', 'entries'), counted(2, 'entry', 'entries')]).toEqual([
      '1 entry',
      '2 entries',
    ]);
  });

  it('list a few names, and count the others', () => {
    const names = Array.from({ length: 1420 }, (_, index) => `m${index}`);
    expect(boundedList([])).toBe('');
    expect(boundedList(names.slice(0, 8))).toBe('m0, m1, m2, m3, m4, m5, m6, m7');
    expect(boundedList(names)).toBe('m0, m1, m2, m3, m4, m5, m6, m7 and 1,412 more');
    expect(boundedList(names, 2)).toBe('m0, m1 and 1,418 more');
  });
});
