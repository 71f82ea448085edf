import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { holdings } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

describe('the content hash', () => {
  let own: ThrowAwayCluster;
  let url: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own, 'hashed');
    // A cast that returns the same text for every value: it must not be used.
    await query(
      url,
      `CREATE TYPE pair AS (x int, y int);
       CREATE FUNCTION same(pair) RETURNS text IMMUTABLE LANGUAGE sql AS $$ SELECT 'same' $$;
       CREATE CAST (pair AS text) WITH FUNCTION same(pair);
       CREATE DOMAIN short AS text CHECK (length(VALUE) < 9)`,
    );
  });
  afterAll(() => own.cluster.destroy());

  async function hashOf(table: string, columns: string, values: string): Promise<string | undefined> {
    await query(
      url,
      `DROP TABLE IF EXISTS ${table}; CREATE TABLE ${table} ${columns}; INSERT INTO ${table} ${values}`,
    );
    const { tables } = await holdings(url);
    return tables.find(({ name }) => name === `public.${table}`)?.contentHash;
  }

  it.each([
    ['a value changed', '(a int, b text)', `VALUES (1, 'x')`, `VALUES (1, 'y')`],
    [
      'values swapped between rows',
      '(a int, b text)',
      `VALUES (1, 'x'), (2, 'y')`,
      `VALUES (1, 'y'), (2, 'x')`,
    ],
    ['values swapped between columns', '(a text, b text)', `VALUES ('x', 'y')`, `VALUES ('y', 'x')`],
    ['nothing in place of an empty text', '(a text)', `VALUES ('')`, 'VALUES (NULL)'],
    ['a trailing zero', '(a numeric)', 'VALUES (1.0)', 'VALUES (1.00)'],
    ['one bit of a float', '(a float8)', 'VALUES (0.1)', 'VALUES (0.1 + 1e-17 * 2)'],
    ['case', '(a short)', `VALUES ('x')`, `VALUES ('X')`],
    [
      'a value behind a cast that hides it',
      '(a pair)',
      'VALUES (ROW(1, 2)::pair)',
      'VALUES (ROW(1, 3)::pair)',
    ],
    [
      'an array that holds it',
      '(a pair[])',
      'VALUES (ARRAY[ROW(1, 2)::pair])',
      'VALUES (ARRAY[ROW(1, 3)::pair])',
    ],
    ['values that changed places', '(a int, b int)', 'VALUES (1, 2), (3, 4)', 'VALUES (1, 4), (3, 2)'],
    ['a row twice', '(a int)', 'VALUES (1), (2)', 'VALUES (1), (1), (2)'],
  ])('distinguishes %s', async (_, columns, before, after) => {
    expect(await hashOf('t', columns, before)).not.toBe(await hashOf('t', columns, after));
  });

  it('supports a table with as many columns as PostgreSQL allows', async () => {
    const columns = Array.from({ length: 1600 }, (_, index) => `c${index} bool`).join(', ');
    const hash = await hashOf('wide', `(${columns})`, '(c1) VALUES (true)');
    expect(hash).not.toBe(await hashOf('wide', `(${columns})`, '(c1) VALUES (false)'));
  });

  it('ignores the order of rows and columns', async () => {
    expect(await hashOf('t', '(a int, b text)', `VALUES (1, 'x'), (2, NULL)`)).toBe(
      await hashOf('t', '(b text, a int)', `VALUES (NULL, 2), ('x', 1)`),
    );
  });
});
