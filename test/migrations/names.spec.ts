import { describe, expect, it } from '@jest/globals';
import { downBody } from '../../src/migrations/down/down-script.js';
import { lossesOf } from '../../src/migrations/down/losses.js';
import { isAboutTemporary, temporaryNames } from '../../src/migrations/names/temporary-objects.js';
import { type ParsedFile, parseFiles, touchedTables } from '../../src/migrations/sql/parse-files.js';
import { traceName, tracesOf } from '../../src/migrations/traces/traces-of.js';

async function parse(content: string): Promise<ParsedFile> {
  const [parsed] = await parseFiles([{ path: 'migration.sql', content }]);
  if (!parsed) throw new Error('one file in, one out');
  return parsed;
}

/** What shows that it was applied, what is lost, and what a down.sql would add to Prisma's comparison. */
async function read(sql: string) {
  const parsed = await parse(sql);
  expect(parsed.obstacles).toEqual([]);
  return {
    traces: tracesOf(parsed, 'public').map((trace) => `${trace.isMade ? '' : 'no '}${traceName(trace)}`),
    losses: lossesOf(parsed, 'public').map(({ name, what }) => `${what} ${name}`),
    down: downBody(parsed, await parse(''), 'public').sql,
  };
}

const NOTHING = { traces: [], losses: [], down: '' };

describe('temporary objects', () => {
  it.each([
    'CREATE TEMP TABLE "stock" ("id" INT PRIMARY KEY); DROP TABLE "stock";',
    'CREATE TEMPORARY TABLE stock (id INT) ON COMMIT DROP; ALTER TABLE stock ADD COLUMN n INT; DELETE FROM stock;',
    'CREATE LOCAL TEMP TABLE stock AS SELECT 1 AS id; TRUNCATE stock; UPDATE stock SET id = 2; DROP TABLE IF EXISTS stock;',
    'CREATE LOCAL TEMPORARY TABLE IF NOT EXISTS stock (id INT); ALTER TABLE stock DROP COLUMN id;',
    'CREATE TABLE pg_temp.stock (id INT); DROP TABLE stock;',
    'CREATE TABLE pg_temp.stock (id INT); DROP TABLE pg_temp.stock;',
    'SELECT 1 AS id INTO TEMP stock; INSERT INTO stock VALUES (2); DROP TABLE stock;',
    'SELECT 1 AS id INTO TEMPORARY TABLE stock; MERGE INTO stock USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE;',
    'CREATE TEMP VIEW stock AS SELECT 1; DROP VIEW stock;',
    'CREATE TEMP TABLE scratch (id INT); CREATE VIEW stock AS SELECT id FROM scratch; DROP VIEW stock;',
    'CREATE TEMP SEQUENCE stock; DROP SEQUENCE stock;',
    'CREATE TEMP TABLE s (id INT); CREATE INDEX stock_idx ON s (id); DROP INDEX stock_idx;',
    'CREATE TEMP TABLE s (id INT); CREATE UNIQUE INDEX stock_idx ON s (id);',
    'CREATE TEMP TABLE s (id INT); ALTER TABLE s RENAME TO stock; DROP TABLE stock;',
    'CREATE TEMP TABLE s (id INT); ALTER TABLE s ADD CONSTRAINT c CHECK (id > 0); COMMENT ON TABLE s IS $$x$$; GRANT SELECT ON s TO PUBLIC;',
    'SET search_path = pg_temp, public; CREATE TABLE stock (id INT); DROP TABLE stock;',
    "CREATE TYPE pg_temp.mood AS ENUM ('a'); ALTER TYPE mood ADD VALUE 'b'; DROP TYPE mood;",
    'CREATE FUNCTION pg_temp.f() RETURNS INT LANGUAGE sql AS $$ SELECT 1 $$; DROP FUNCTION pg_temp.f();',
    'DO $$ BEGIN CREATE TEMP TABLE stock AS SELECT 1 AS id; DELETE FROM stock; DROP TABLE stock; END $$;',
  ])('leave no trace: %s', async (sql) => {
    const { traces, losses, down } = await read(sql);
    expect({ traces, losses, down }).toEqual(NOTHING);
  });

  it.each([
    ['CREATE TEMP TABLE stock (id INT); DROP TABLE stock; DROP TABLE stock;', ['DROP TABLE public.stock']],
    ['CREATE TEMP TABLE stock (id INT); DROP TABLE public.stock;', ['DROP TABLE public.stock']],
    ['DROP TABLE IF EXISTS stock; CREATE TEMP TABLE stock (id INT);', ['DROP TABLE public.stock']],
    [
      'BEGIN; CREATE TEMP TABLE stock (id INT) ON COMMIT DROP; COMMIT; DELETE FROM stock;',
      ['DELETE public.stock'],
    ],
    ['BEGIN; CREATE TEMP TABLE stock (id INT); ROLLBACK; DELETE FROM stock;', ['DELETE public.stock']],
    ['CREATE TEMP TABLE stock (id INT); DISCARD TEMP; TRUNCATE stock;', ['TRUNCATE public.stock']],
    ['CREATE TEMP TABLE s (id INT); ALTER TABLE s RENAME TO t; DELETE FROM s;', ['DELETE public.s']],
    [
      'CREATE TEMP TABLE old AS WITH d AS (DELETE FROM stock RETURNING *) SELECT * FROM d;',
      ['DELETE public.stock'],
    ],
    [
      'SET search_path = public, pg_temp; CREATE TABLE stock (id INT); CREATE TEMP TABLE stock (id INT); DELETE FROM stock;',
      [],
    ],
  ])('hide a permanent one only while they exist: %s', async (sql, losses) => {
    expect((await read(sql)).losses).toEqual(losses);
  });

  it('are distinguished from a permanent table of the same name', async () => {
    const { traces } = await read('CREATE TEMP TABLE stock (id INT); CREATE TABLE stock (id INT);');
    expect(traces).toEqual(['table public.stock']);
  });

  it('are distinguished from a common table expression', async () => {
    const parsed = await parse(
      'CREATE TEMP TABLE d (id INT); CREATE VIEW v AS WITH d AS (SELECT 1) SELECT * FROM d; WITH stock AS (SELECT 1) DELETE FROM stock;',
    );
    expect(tracesOf(parsed, 'public').map(traceName)).toEqual(['view public.v']);
    expect(lossesOf(parsed, 'public').map(({ name }) => name)).toEqual(['public.stock']);
    expect(parsed.flat.map(({ node }) => isAboutTemporary(node))).toEqual([true, false, false]);
  });

  it('are neither touched tables of a plan nor named for accepted drift', async () => {
    const sql =
      'CREATE TEMP TABLE "work" (id INT); UPDATE stock SET n = 1 WHERE id IN (SELECT id FROM "work");';
    expect(touchedTables([await parse(sql)])).toEqual([{ schema: undefined, name: 'stock' }]);
    expect(await temporaryNames(sql)).toEqual(new Set(['work']));
    expect(await temporaryNames(`${sql} DROP TABLE "work"; ALTER TABLE "work" ADD COLUMN n INT;`)).toEqual(
      new Set(),
    );
    expect(await temporaryNames('CREATE TEMP TABLE "work" (')).toEqual(new Set());
  });
});

describe('a search path', () => {
  it.each([
    'SET search_path = audit;',
    'SET search_path TO "audit";',
    'SET LOCAL search_path = audit;',
    `SET SCHEMA 'audit';`,
    `SELECT set_config('search_path', 'audit', false);`,
    `SELECT pg_catalog.set_config('search_path', '"$user", "audit"', true);`,
    'SET search_path = "$user", audit, public;',
  ])('applies to created objects: %s', async (set) => {
    const { traces, down } = await read(`${set} CREATE TABLE log (id INT);`);
    expect(traces).toEqual(['table audit.log']);
    expect(down).toBe('-- Undoes line 1 of migration.sql\nDROP TABLE "audit"."log";');
  });

  it.each([
    ['SET search_path = audit; DROP TABLE log;', ['DROP TABLE audit.log']],
    [
      'SET search_path = audit, public; CREATE TABLE log (id INT); RESET search_path; DROP TABLE log;',
      ['DROP TABLE public.log'],
    ],
    ['SET search_path = audit; SET search_path TO DEFAULT; DROP TABLE log;', ['DROP TABLE public.log']],
    ['SET search_path = audit; RESET ALL; DROP TABLE log;', ['DROP TABLE public.log']],
    ['BEGIN; SET LOCAL search_path = audit; COMMIT; DROP TABLE log;', ['DROP TABLE public.log']],
    ['BEGIN; SET search_path = audit; ROLLBACK; DROP TABLE log;', ['DROP TABLE public.log']],
    // Either schema may have it: the application's own schema is assumed, to be safe.
    ['SET search_path = audit, public; DROP TABLE log;', ['DROP TABLE public.log']],
  ])('applies to named objects: %s', async (sql, losses) => {
    expect((await read(sql)).losses).toEqual(losses);
  });
});
