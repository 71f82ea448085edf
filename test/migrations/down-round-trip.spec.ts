import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { findPostgresBinaries } from '../../src/cluster/postgres-binaries.js';
import { parseDatabaseUrl } from '../../src/config/database-url.js';
import { downBody } from '../../src/migrations/down/down-script.js';
import { applyMigrations, reverseDiff } from '../../src/migrations/schema-engine.js';
import { type ParsedFile, parseFiles } from '../../src/migrations/sql/parse-files.js';
import { CLINIC_MIGRATIONS, createDatabase, query } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const BINARIES = findPostgresBinaries(path.resolve('.pgkeep'), process.env['PATH'] ?? '');

jest.setTimeout(120_000);

/** Named objects that Prisma's comparison does not see. */
const UNSEEN = `CREATE SCHEMA "audit";
CREATE TABLE "audit"."log" ("id" INT PRIMARY KEY, "village" INT REFERENCES "villages" ("id"));
CREATE DOMAIN "nik" AS TEXT CHECK (length(VALUE) = 16);
CREATE TYPE "pair" AS ("a" INT, "b" INT);
CREATE SEQUENCE "visit_number";
CREATE FUNCTION "touch"() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END; $$;
CREATE TRIGGER "touched" BEFORE UPDATE ON "children" FOR EACH ROW EXECUTE FUNCTION "touch"();
CREATE VIEW "boys" AS SELECT "id" FROM "children" WHERE "sex" = 'MALE';
CREATE VIEW "first_boys" AS SELECT "id" FROM "boys" LIMIT 1;
CREATE MATERIALIZED VIEW "counts" AS SELECT count(*) AS "children" FROM "children";
ALTER TABLE "children" ADD COLUMN "note" TEXT, ADD CONSTRAINT "note_is_short" CHECK (length("note") < 100);
CREATE INDEX "children_lower_name" ON "children" (lower("full_name"));
CREATE INDEX "children_named" ON "children" ("full_name") WHERE "full_name" <> '';
CREATE POLICY "everybody" ON "children" USING (true);
`;

describe('a migration and its down.sql', () => {
  let own: ThrowAwayCluster;
  let url: string;
  const directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-round-trip-'));

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own, 'application');
    cpSync(path.join(CLINIC_MIGRATIONS, 'migration_lock.toml'), path.join(directory, 'migration_lock.toml'));
  });
  afterAll(() => own.cluster.destroy());

  const structure = (): string =>
    execFileSync(path.join(BINARIES.bin, 'pg_dump'), ['-s', '--exclude-table=_prisma_migrations', url], {
      env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', LD_LIBRARY_PATH: BINARIES.libraryPath },
      encoding: 'utf8',
    }).replaceAll(/^\\(?:un)?restrict .*\n/gm, '');
  const parse = async (content: string): Promise<ParsedFile> => {
    const [parsed] = await parseFiles([{ path: 'migration.sql', content }]);
    if (!parsed) throw new Error('one file in, one out');
    return parsed;
  };
  const take = async (name: string, sql: string): Promise<string> => {
    mkdirSync(path.join(directory, name));
    writeFileSync(path.join(directory, name, 'migration.sql'), sql);
    const database = parseDatabaseUrl(url);
    const { signal } = new AbortController();
    const reverse = await reverseDiff({ database, shadow: undefined, directory, migration: name, signal });
    return downBody(await parse(sql), await parse(reverse), 'public').sql;
  };

  it('restore the previous structure byte for byte, for every migration of the clinic and for objects that Prisma does not see', async () => {
    const names = readdirSync(CLINIC_MIGRATIONS).filter((name) => name.startsWith('2'));
    const scripts = new Map(
      names.map((name) => [name, readFileSync(path.join(CLINIC_MIGRATIONS, name, 'migration.sql'), 'utf8')]),
    );
    scripts.set('20990101000000_unseen', UNSEEN);
    const differing: string[] = [];
    for (const [name, sql] of scripts) {
      const before = structure();
      const down = await take(name, sql);
      await query(url, `BEGIN; ${sql}; COMMIT`);
      await query(url, `BEGIN; ${down}; COMMIT`);
      if (structure() !== before) differing.push(name);
      await applyMigrations({ database: parseDatabaseUrl(url), directory });
    }
    expect(differing).toEqual([]);
  });
});
