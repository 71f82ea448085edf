import { describe, expect, it } from '@jest/globals';
import { CONTENT_HASH_METHOD } from '../../src/backup/create/table-contents.js';
import { compareRestored, type Expected } from '../../src/restore/comparison/compare.js';
import { orphanQuery, type Restored } from '../../src/restore/comparison/read-restored.js';

const CATALOGUE = {
  relations: ['r public.t', 'r public.u unlogged'],
  columns: [],
  constraints: [],
  indexes: [],
  triggers: ['public.t foreign key f OOOO'],
  rowSecurity: [],
  extensions: [],
};
const T = { name: 'public.t', rows: 2, contentHash: '7' };
const EXPECTED: Expected = {
  contentHashMethod: CONTENT_HASH_METHOD,
  tables: [T],
  sequences: [{ name: 'public.s', lastValue: '5' }],
  migrations: null,
  catalogue: CATALOGUE,
};
const FOUND: Restored = {
  tables: [T],
  sequences: [{ name: 'public.s', lastValue: '5', descending: false, cycles: false }],
  migrations: null,
  foreignKeys: [],
  catalogue: CATALOGUE,
  inheritance: { constraints: new Set(), columns: new Set(), hashed: new Map() },
};

function faults(expected: Partial<Expected>, found: Partial<Restored>): Record<string, string> {
  const { comparisons } = compareRestored({ ...EXPECTED, ...expected }, { ...FOUND, ...found });
  return Object.fromEntries(comparisons.filter(({ ok }) => !ok).map(({ name, details }) => [name, details]));
}

describe('comparing a restored database with a manifest', () => {
  it('finds nothing if both are the same', () => {
    expect(faults({}, {})).toEqual({});
  });

  it('finds a foreign key that is disabled after the restore, but not one that is enabled', () => {
    const disabled = { ...CATALOGUE, triggers: ['public.t foreign key f DDDD'] };
    expect(Object.keys(faults({}, { catalogue: disabled }))).toEqual(['triggers']);
    expect(faults({ catalogue: disabled }, {})).toEqual({});
  });

  it('ignores the unlogged tables of a backup from a standby, which have no counts', () => {
    expect(faults({}, { tables: [T, { name: 'public.u', rows: 0, contentHash: '0' }] })).toEqual({});
    expect(faults({}, { tables: [T, { name: 'public.v', rows: 0, contentHash: '0' }] })).toEqual({
      tables: 'table public.v is not in the backup',
    });
  });

  it('does not compare hashes of different methods', () => {
    expect(Object.keys(faults({ contentHashMethod: 'md5' }, {}))).toEqual(['contents']);
  });

  it.each([
    ['5', '4', {}, true],
    ['5', null, {}, true],
    [null, null, {}, false],
    ['5', '12345678901234567890', {}, false],
    ['-5', '-4', { descending: true }, true],
    ['-5', '-6', { descending: true }, false],
    ['5', '1', { cycles: true }, false],
  ])('a sequence at %s in the backup and at %s now (%j) is behind: %s', (before, after, kind, behind) => {
    const sequence = { name: 'public.s', lastValue: after, descending: false, cycles: false, ...kind };
    const found = faults({ sequences: [{ name: 'public.s', lastValue: before }] }, { sequences: [sequence] });
    expect('sequences' in found).toBe(behind);
  });

  it('finds orphans as the constraint defines them: NULLs, composite keys, MATCH FULL', () => {
    const key = {
      name: 'public.c f',
      child: 'ONLY public.c',
      parent: 'public.p',
      pairs: [
        { child: 'a', operator: 'OPERATOR(pg_catalog.=)', parent: 'x' },
        { child: 'b"', operator: 'OPERATOR(pg_catalog.=)', parent: 'y' },
      ],
      match: 'simple',
      validated: true,
      enabled: true,
    } as const;
    const missing =
      'c."a" IS NOT NULL AND c."b""" IS NOT NULL AND NOT EXISTS (SELECT FROM public.p p WHERE p."x" OPERATOR(pg_catalog.=) c."a" AND p."y" OPERATOR(pg_catalog.=) c."b""")';
    expect(orphanQuery(key)).toBe(
      `SELECT pg_catalog.count(*)::text AS orphans FROM ONLY public.c c WHERE ${missing}`,
    );
    expect(orphanQuery({ ...key, match: 'full' })).toBe(
      `SELECT pg_catalog.count(*)::text AS orphans FROM ONLY public.c c WHERE (${missing}) OR pg_catalog.num_nulls(c."a", c."b""") BETWEEN 1 AND 1`,
    );
  });
});
