import { describe, expect, it } from '@jest/globals';
import { compareMigrations } from '../../src/migrations/history/migration-directory.js';
import type { HistoryRow } from '../../src/migrations/migrations.types.js';

const directory = ['1_a', '2_b', '3_c'].map((name) => ({ name, checksums: ['same'] }));

function row(name: string, state: Partial<HistoryRow> = {}): HistoryRow {
  return { name, checksum: 'same', finished: true, rolledBack: false, ...state };
}

describe('compareMigrations', () => {
  it.each<[string, HistoryRow[], object]>([
    ['nothing was ever applied', [], { pending: ['1_a', '2_b', '3_c'] }],
    ['all are applied', [row('1_a'), row('2_b'), row('3_c')], { applied: ['1_a', '2_b', '3_c'] }],
    [
      'one failed',
      [row('1_a'), row('2_b', { finished: false })],
      { applied: ['1_a'], failed: ['2_b'], pending: ['3_c'] },
    ],
    [
      'one was rolled back',
      [row('1_a'), row('2_b', { finished: false, rolledBack: true })],
      { applied: ['1_a'], rolledBack: ['2_b'], pending: ['3_c'] },
    ],
    [
      'one was rolled back and applied since',
      [row('1_a'), row('2_b', { finished: false, rolledBack: true }), row('2_b'), row('3_c')],
      { applied: ['1_a', '2_b', '3_c'] },
    ],
    [
      'one was applied and is being tried again',
      [row('1_a'), row('2_b'), row('2_b', { finished: false }), row('3_c')],
      { applied: ['1_a', '3_c'], failed: ['2_b'] },
    ],
    [
      'one was edited after a rollback and applied again',
      [
        row('1_a', { checksum: 'old', rolledBack: true }),
        row('1_a'),
        row('2_b'),
        row('3_c', { checksum: 'other' }),
      ],
      { applied: ['1_a', '2_b', '3_c'], edited: ['3_c'] },
    ],
    [
      'the database is ahead',
      [row('1_a'), row('2_b'), row('3_c'), row('5_e'), row('4_d', { finished: false })],
      { applied: ['1_a', '2_b', '3_c'], unknown: ['4_d', '5_e'] },
    ],
    [
      'one that was rolled back is gone from the directory',
      [row('1_a'), row('2_b'), row('3_c'), row('4_d', { rolledBack: true })],
      { applied: ['1_a', '2_b', '3_c'] },
    ],
  ])('when %s', (_what, rows, expected) => {
    const empty = { applied: [], pending: [], failed: [], rolledBack: [], edited: [], unknown: [] };
    expect(compareMigrations(directory, rows)).toEqual({ ...empty, ...expected });
  });
});
