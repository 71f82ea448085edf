import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import {
  createDatabase,
  PrismaApplication,
  query,
  shadowDatabases,
} from '../../../test/migrations/engine-application.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../../../test/support/throw-away-cluster.js';
import { readMigrationList } from '../src/apply-migrations.js';
import { nodePostgresDatabase } from '../src/node-postgres.js';
import { SchemaEngine } from '../src/schema-engine.js';

const DATASOURCE = { path: 'schema.prisma', content: 'datasource db {\n provider = "postgresql"\n}\n' };
const FILTERS = { externalTables: [], externalEnums: [] };

describe('Prisma’s schema engine in process', () => {
  let own: ThrowAwayCluster;
  let application: PrismaApplication;
  let url: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own.cluster, 'engine');
    application = new PrismaApplication(url);
    application.addMigration('1_first', 'CREATE TABLE first (a integer PRIMARY KEY);');
  });
  afterAll(async () => {
    application.remove();
    await own.cluster.destroy();
  });
  beforeEach(async () => {
    await query(url, 'DROP SCHEMA public CASCADE; CREATE SCHEMA public');
  });
  afterEach(async () => {
    const left = await shadowDatabases(own.cluster);
    if (left.length > 0) throw new Error(`left behind: ${left.join()}`);
  });

  /** The SQL that leads from the migrations directory to the database as it is. */
  const drift = async (engine: SchemaEngine): Promise<string | null> => {
    const migrationsList = await readMigrationList(application.migrations);
    const { stdout } = await engine.run((wasm) =>
      wasm.diff({
        from: { tag: 'migrations', ...migrationsList },
        to: { tag: 'schemaDatasource', files: [DATASOURCE], configDir: '.' },
        script: true,
        exitCode: null,
        filters: FILTERS,
      }),
    );
    return stdout;
  };

  const withEngine = async <T>(work: (engine: SchemaEngine) => Promise<T>, shadow?: string): Promise<T> => {
    const engine = await SchemaEngine.open(nodePostgresDatabase(url), {
      shadow: shadow === undefined ? undefined : nodePostgresDatabase(shadow),
    });
    try {
      return await work(engine);
    } finally {
      await engine.close();
    }
  };

  it('replays a history outside the main database, and drops what it created', async () => {
    await query(url, 'CREATE TABLE mine (a integer PRIMARY KEY)');
    expect(await withEngine(drift)).toMatch(/DROP TABLE "public"."first";[^]*CREATE TABLE "public"."mine"/);
    expect(
      await query(url, "SELECT to_regclass('first') AS first, to_regclass('mine')::text AS mine"),
    ).toEqual([{ first: null, mine: 'mine' }]);
  });

  it('describes all kinds of objects, although catalogue columns are of type "char"', async () => {
    await query(
      url,
      `CREATE TYPE mood AS ENUM ('well', 'ill');
       CREATE DOMAIN percent AS integer CHECK (VALUE BETWEEN 0 AND 100);
       CREATE TABLE first (a integer PRIMARY KEY);
       CREATE TABLE second (
         b integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY REFERENCES first ON DELETE SET NULL,
         c text NOT NULL DEFAULT 'x' CHECK (c <> ''),
         d text GENERATED ALWAYS AS (c || '!') STORED,
         e mood[], f percent, g "char",
         EXCLUDE USING gist (int4range(b, b + 1) WITH &&) DEFERRABLE INITIALLY DEFERRED
       );
       CREATE UNIQUE INDEX second_c ON second (c DESC) WHERE c > 'a';
       CREATE TABLE third (h date NOT NULL) PARTITION BY RANGE (h);
       CREATE TABLE third_2026 PARTITION OF third FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
       CREATE VIEW fourth AS SELECT * FROM second`,
    );
    const sql = await withEngine(drift);
    expect(sql).toContain(`CREATE TYPE "public"."mood" AS ENUM ('well', 'ill')`);
    expect(sql).toContain('CREATE UNIQUE INDEX "second_c"');
    expect(sql).toMatch(/FOREIGN KEY \("b"\) .* ON DELETE SET NULL/);
  });

  it('empties the configured shadow database each time it is used', async () => {
    const shadow = await createDatabase(own.cluster, 'configured_shadow');
    await query(
      shadow,
      'CREATE SCHEMA left_over; CREATE TABLE left_over.a (b integer); CREATE TABLE first (a integer)',
    );
    await query(url, 'CREATE TABLE first (a integer PRIMARY KEY)');
    expect(await withEngine(drift, shadow)).toContain('empty migration');
    expect(await withEngine(drift, shadow)).toContain('empty migration');
    expect(await query(shadow, "SELECT 1 FROM pg_namespace WHERE nspname = 'left_over'")).toEqual([]);
  });

  it('refuses to empty the main database, whatever host name leads to it', async () => {
    await query(url, 'CREATE TABLE precious (a integer)');
    const same = url.replace('127.0.0.1', 'localhost');
    await expect(withEngine(drift, same)).rejects.toThrow('appears to be the same as the main database');
    expect(await query(url, 'SELECT count(*)::int AS rows FROM precious')).toEqual([{ rows: 0 }]);
  });

  it('reports a role that may not create a shadow database', async () => {
    await query(url, `CREATE ROLE modest LOGIN PASSWORD 'modest'; GRANT CREATE ON DATABASE engine TO modest`);
    const main = nodePostgresDatabase(url.replace(/\/\/.*@/, '//modest:modest@'));
    const engine = await SchemaEngine.open(main);
    await expect(drift(engine)).rejects.toMatchObject({
      prismaCode: 'P3014',
      databaseMessage: 'permission denied to create database',
    });
    await engine.close();
  });

  it('drops the shadow database also when the history does not apply', async () => {
    application.addMigration('2_bad', 'SELECT 1 / 0;');
    await expect(withEngine(drift)).rejects.toMatchObject({
      migration: '2_bad',
      databaseMessage: 'division by zero',
    });
  });

  it('compares schema files without any database', async () => {
    const engine = await SchemaEngine.offline();
    const datamodel = { ...DATASOURCE, content: `${DATASOURCE.content} model Child {\n id Int @id\n}\n` };
    const { stdout } = await engine.run((wasm) =>
      wasm.diff({
        from: { tag: 'empty' },
        to: { tag: 'schemaDatamodel', files: [datamodel] },
        script: true,
        exitCode: null,
        filters: FILTERS,
      }),
    );
    expect(stdout).toContain('CREATE TABLE "Child"');
  });
});

/** An engine with its own WebAssembly module: a trap ends the module for good. */
async function freshEngine(): Promise<SchemaEngine> {
  jest.resetModules();
  const fresh = await import('../src/schema-engine.js');
  return await fresh.SchemaEngine.offline();
}

describe('a trap inside Prisma’s schema engine', () => {
  it('is an error with the reason, and stays one', async () => {
    const engine = await freshEngine();
    const panic = () => engine.run((wasm) => Promise.resolve(wasm.debugPanic()));
    await expect(panic()).rejects.toThrow(/stopped unexpectedly: panicked at .*\n.*artificial panic/);
    await expect(engine.run((wasm) => wasm.version(null))).rejects.toThrow('artificial panic');
  });

  it('that is not awaited rejects the call that caused it, and does not end the process', async () => {
    const engine = await freshEngine();
    const queries = [{ name: 'one', source: 'SELECT 1 AS one' }];
    const typed = engine.run((wasm) => wasm.introspectSql({ url: '', queries }));
    await expect(typed).rejects.toThrow('stopped unexpectedly');
  });
});
