import { describe, expect, it } from '@jest/globals';
import { notReversed } from '../../src/migrations/down/ignored-statements.js';
import { lossesOf } from '../../src/migrations/down/losses.js';
import { parseFiles } from '../../src/migrations/sql/parse-files.js';
import { traceName, tracesOf } from '../../src/migrations/traces/traces-of.js';

async function parse(sql: string) {
  const [parsed] = await parseFiles([{ path: 'down.sql', content: sql }]);
  if (!parsed) throw new Error('one file in, one out');
  return parsed;
}

describe('what a script loses, according to its text', () => {
  it.each<[string, string[]]>([
    ['DROP TABLE "a", other.b', ['table public.a', 'table other.b']],
    ['DROP TABLE IF EXISTS a CASCADE', ['table public.a']],
    [
      'ALTER TABLE a DROP COLUMN x, DROP COLUMN "Y", ADD COLUMN z INT',
      ['column public.a.x', 'column public.a.Y'],
    ],
    ['TRUNCATE a, b', ['rows public.a', 'rows public.b']],
    ['DELETE FROM a WHERE id = 1', ['rows public.a']],
    ['WITH gone AS (DELETE FROM a RETURNING *) INSERT INTO b SELECT * FROM gone', ['rows public.a']],
    ['UPDATE a SET x = NULL, y = 1', ['values public.a.x', 'values public.a.y']],
    [
      'MERGE INTO a USING b ON a.id = b.id WHEN MATCHED AND b.x THEN DELETE WHEN MATCHED THEN UPDATE SET y = 1',
      ['rows public.a', 'values public.a.y'],
    ],
    ['DROP SCHEMA s CASCADE', ['schema s']],
    ['ALTER TABLE a ALTER COLUMN x TYPE VARCHAR(3)', ['conversion public.a.x']],
    ['ALTER TABLE a ALTER COLUMN x TYPE TEXT', []],
    ['ALTER TABLE a ALTER COLUMN x TYPE e USING (x::text::e)', []],
    [`ALTER TABLE a ALTER COLUMN x TYPE e USING (left(x, 1)::text::e)`, ['conversion public.a.x']],
    ['DO $$ BEGIN DROP TABLE a; END $$', ['table public.a']],
    ['ALTER TABLE a DROP COLUMN x; DROP TABLE a', ['table public.a']],
    ['CREATE TABLE t (id INT); DELETE FROM t; DROP TABLE t', []],
    ['ALTER TABLE a ADD COLUMN old TEXT; UPDATE a SET old = new', []],
    ['DROP INDEX i; DROP VIEW v; DROP TYPE t; DROP FUNCTION f; DROP SEQUENCE s', []],
    ['ALTER TABLE a DROP CONSTRAINT c; ALTER TABLE a ALTER COLUMN x DROP NOT NULL', []],
    ['', []],
  ])('%s', async (sql, expected) => {
    const losses = lossesOf(await parse(sql), 'public');
    expect(losses.map(({ kind, name }) => `${kind} ${name}`)).toEqual(expected);
  });
});

describe('what the comparison of two schemas does not undo', () => {
  it.each<[string, string[]]>([
    ['CREATE TABLE a (id INT); CREATE INDEX i ON a (id); ALTER TABLE a ADD COLUMN b INT', []],
    ['ALTER TABLE a ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES b (id); DROP TABLE c; DROP INDEX i', []],
    ["CREATE TYPE e AS ENUM ('x'); ALTER TYPE e ADD VALUE 'y'; DROP TYPE e", []],
    ['CREATE FUNCTION f() RETURNS INT LANGUAGE sql AS $$ SELECT 1 $$', ['functions are not compared']],
    ['CREATE EXTENSION pgcrypto', ['extensions are not compared']],
    ['CREATE INDEX i ON a (lower(b))', ['of an index only its columns are compared']],
    ['CREATE INDEX i ON a (b) WHERE c', ['of an index only its columns are compared']],
    ['ALTER TABLE a ENABLE ROW LEVEL SECURITY', ['this part of a table is not compared']],
    ['CREATE TABLE other.a (id INT)', ['only schema public is compared']],
    ['CREATE TABLE a (id INT) PARTITION BY RANGE (id)', ['partitions and inheritance are not compared']],
    ['ALTER TABLE a RENAME COLUMN b TO c', ['a rename looks like a new object and a dropped one']],
    ['DROP VIEW v', ['what it drops is not compared']],
    [
      "INSERT INTO a VALUES (1); COMMENT ON TABLE a IS 'x'",
      ['rows are not compared', 'comments are not compared'],
    ],
  ])('%s', async (sql, expected) => {
    expect(notReversed(await parse(sql), 'public').map(({ why }) => why)).toEqual(expected);
  });
});

describe('what shows that a migration was applied', () => {
  it.each<[string, string[]]>([
    [
      'CREATE TABLE a (id INT); CREATE INDEX i ON other.a (id); ALTER TABLE a ADD COLUMN b INT, DROP COLUMN c, ADD CONSTRAINT k CHECK (b > 0)',
      [
        'table public.a',
        'index other.i',
        'column public.a.b',
        'no column public.a.c',
        'constraint public.a.k',
      ],
    ],
    [
      'CREATE TABLE IF NOT EXISTS a (id INT); DROP TABLE IF EXISTS b; CREATE OR REPLACE VIEW v AS SELECT 1',
      [],
    ],
    [
      'DROP TABLE a, b; DROP VIEW v; DROP TYPE t',
      ['no table public.a', 'no table public.b', 'no view public.v', 'no type public.t'],
    ],
    ["CREATE TYPE e AS ENUM ('x'); ALTER TYPE e ADD VALUE 'y'", ['type public.e', 'enum value public.e.y']],
    [
      "CREATE TYPE e_new AS ENUM ('x'); ALTER TYPE e RENAME TO e_old; ALTER TYPE e_new RENAME TO e; DROP TYPE e_old",
      [],
    ],
    ['ALTER TABLE a RENAME TO b', ['no table public.a', 'table public.b']],
    ['ALTER TABLE a RENAME COLUMN x TO y', ['no column public.a.x', 'column public.a.y']],
    ['ALTER TABLE a ADD COLUMN x INT; DROP TABLE a', ['no table public.a']],
    ['CREATE TABLE t (id INT); ALTER TABLE t ADD COLUMN x INT; DROP TABLE t', []],
    [
      'CREATE SCHEMA s; CREATE EXTENSION x; CREATE SEQUENCE q; CREATE POLICY p ON a USING (true); DROP TRIGGER g ON s.a',
      ['schema s', 'extension x', 'sequence public.q', 'policy public.a.p', 'no trigger s.a.g'],
    ],
    ['UPDATE a SET x = 1; INSERT INTO a VALUES (1)', []],
    ['DO $$ BEGIN CREATE TABLE a (id INT); END $$', ['table public.a']],
  ])('%s', async (sql, expected) => {
    const traces = tracesOf(await parse(sql), 'public');
    expect(traces.map((trace) => `${trace.isMade ? '' : 'no '}${traceName(trace)}`)).toEqual(expected);
  });
});
