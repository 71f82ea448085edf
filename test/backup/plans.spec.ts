import { describe, expect, it } from '@jest/globals';
import { TABLES_WITHOUT_ROWS } from '../../src/postgres/catalogue/own-relations.js';
import { backupName, typedName } from '../../src/backup/catalog/backup-name.js';
import { chooseCompression, pgDumpArguments } from '../../src/backup/create/pg-dump-arguments.js';
import { requiredSpace } from '../../src/backup/create/preflight.js';
import { contentQuery } from '../../src/backup/create/table-contents.js';
import { findTool, libpqEnvironment, type PostgresTool } from '../../src/backup/postgres-tools.js';
import { parseDatabaseUrl } from '../../src/config/database-url.js';
import { comparableDefinition } from '../../src/postgres/catalogue/read-catalogue.js';

const OLD: PostgresTool = { file: '/x/pg_dump', version: '15.18', major: 15, libraryPath: undefined };
const NEW: PostgresTool = { ...OLD, version: '17.2', major: 17 };

describe('the name of a backup', () => {
  it('has the documented form, in UTC, and is a valid file name whatever the database is called', () => {
    const at = new Date('2026-02-07T12:00:00.999Z');
    expect(backupName('cryptowallet', 'production', at)).toBe('cryptowallet_production_20260207_120000');
    expect(backupName('../a "b"/ü', 'test', at)).toBe('a-b_test_20260207_120000');
    expect(backupName('☃', 'test', at)).toBe('database_test_20260207_120000');
  });

  it('is parsed from the name of any of its files', () => {
    for (const text of [
      'n_test',
      'n_test.dump',
      'n_test.sql.gz',
      '/backups/n_test.dump.age',
      'n_test.sql.gz.age',
      './n_test.manifest.json',
    ]) {
      expect(typedName(text)).toBe('n_test');
    }
  });
});

describe('pg_dump', () => {
  it('is called without a secret, without the database, with a compression that it supports', () => {
    const plan = { snapshotId: '3-5C-1', format: 'custom', fromStandby: false } as const;
    const chosen = (tool: PostgresTool, compression?: string) =>
      chooseCompression(tool, { format: 'custom', compression });
    expect(pgDumpArguments(OLD, { ...plan, compression: chosen(OLD) })).toEqual([
      '--format=custom',
      '--compress=1',
      '--snapshot=3-5C-1',
      '--lock-wait-timeout=2s',
      '--no-password',
      ...TABLES_WITHOUT_ROWS.map((name) => `--exclude-table-data=${name}`),
    ]);
    expect(pgDumpArguments(NEW, { ...plan, compression: chosen(NEW) })).toContain('--compress=zstd:3');
    expect(pgDumpArguments(OLD, { ...plan, compression: 'none' })).toContain('--compress=0');
    expect(pgDumpArguments(OLD, { ...plan, compression: 'none', fromStandby: true })).toContain(
      '--no-unlogged-table-data',
    );
    expect(() => chosen(OLD, 'lz4:1')).toThrow('which pg_dump 15.18 does not support');
  });

  it('connects to the server of the snapshot, by its environment', async () => {
    const url = parseDatabaseUrl(
      'postgresql://u:s%40crét@h1,h2:6000/my=db?sslmode=verify-full&sslrootcert=/ca.pem&options=-c%20x.y%3D1',
    );
    expect(await libpqEnvironment(url, { host: 'h2', port: 6000, user: 'u' }, OLD)).toMatchObject({
      PGHOST: 'h2',
      PGPORT: '6000',
      PGUSER: 'u',
      PGPASSWORD: 's@crét',
      PGDATABASE: 'my=db',
      PGSSLMODE: 'verify-full',
      PGSSLROOTCERT: '/ca.pem',
      PGOPTIONS:
        '-c x.y=1 -c default_transaction_read_only=off -c default_transaction_isolation=read\\ committed ' +
        '-c default_transaction_deferrable=off -c statement_timeout=0 -c lock_timeout=0 ' +
        '-c idle_in_transaction_session_timeout=0 -c standard_conforming_strings=on -c array_nulls=on ' +
        '-c transform_null_equals=off',
    });
  });

  it('is found by version; if missing, the package to install is named', async () => {
    const query = { program: 'pg_dump', searchPath: process.env['PATH'] ?? '' } as const;
    expect((await findTool({ ...query, atLeastMajor: 15 })).major).toBeGreaterThanOrEqual(15);
    await expect(findTool({ ...query, atLeastMajor: 99 })).rejects.toMatchObject({
      code: 'BACKUP_TOOLS_MISSING',
      hint: 'Install it: apt-get install postgresql-client-99.',
    });
  });
});

it('hashes columns in the given order, quoted, as text of their types', () => {
  const sql = contentQuery({
    name: '"s"."t"',
    hasExpressions: false,
    columns: [
      { name: 'a', castsToText: true, generated: false },
      { name: 'b"c', castsToText: false, generated: false },
    ],
  });
  expect(sql).toMatch(
    /sum\(pg_catalog\.hashtextextended\(ROW\(t\."b""c"\)::text COLLATE "C", pg_catalog\.hashtextextended\(coalesce\(t\."a"::text, '[^']+'\) COLLATE "C", 0\)\)\)/,
  );
  expect(sql).toContain('FROM ONLY "s"."t" t');
});

it('requires space for a quarter of the database, for the last archive plus a quarter, or as set', () => {
  expect([
    requiredSpace(4_194_304, undefined, undefined),
    requiredSpace(1000, 400, undefined),
    requiredSpace(1000, 400, 0),
  ]).toEqual([
    { bytes: 1_048_576, because: 'a quarter of the database’s 4.0 MB, for a first backup' },
    { bytes: 500, because: '1.25 times the last archive' },
    { bytes: 0, because: 'BACKUP_REQUIRED_FREE_MB' },
  ]);
});

it('normalises definitions that a restore prints differently, and still distinguishes others', () => {
  const made = `CHECK (((status)::text = ANY ((ARRAY['a'::character varying, 'b (c)'::character varying])::text[])))`;
  const restored = `CHECK (((status)::text = ANY (ARRAY[('a'::character varying)::text, ('b (c)'::character varying)::text])))`;
  expect(comparableDefinition(made)).toBe("CHECK status = ANY ARRAY [ 'a' , 'b (c)' ]");
  expect(comparableDefinition(restored)).toBe(comparableDefinition(made));
  expect(comparableDefinition(made.replace('b (c)', 'b c'))).not.toBe(comparableDefinition(made));
});
