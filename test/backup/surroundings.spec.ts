import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parseManifest } from '../../src/backup/catalog/manifest.js';
import type { Manifest } from '../../src/backup/backup.types.js';
import { backupDirectory, holdings, stockRestore } from '../support/backups.js';
import { query } from '../support/clinic.js';
import { PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { REPLICATION_HBA, startStandby } from '../support/standby.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

/** Takes about a second to compress, so that a test can act during it. */
const LARGE = `CREATE TABLE t AS SELECT i, md5(i::text) || md5((i + 1)::text) AS v FROM generate_series(1, 500000) i`;

describe('a backup in a difficult environment', () => {
  let own: ThrowAwayCluster;
  let directory: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster({ hba: REPLICATION_HBA });
  });
  beforeEach(() => {
    directory = backupDirectory();
  });
  afterAll(() => own.cluster.destroy());

  async function made(name: string, options = ''): Promise<string> {
    await query(own.cluster.url('postgres'), `CREATE DATABASE ${name} TEMPLATE template0 ${options}`);
    return own.cluster.url(name);
  }

  function files(): string[] {
    return existsSync(directory) ? readdirSync(directory) : [];
  }

  function manifestOf(report: string): Manifest {
    const file = path.join(directory, `${JSON.parse(report).name}.manifest.json`);
    const manifest = parseManifest(readFileSync(file, 'utf8'));
    if (!manifest) throw new Error(`${file} is not a manifest`);
    return manifest;
  }

  /** Starts a backup, and waits until the archive grows. */
  async function begun(url: string): Promise<PgkeepProcess> {
    const pgkeep = new PgkeepProcess('cli', ['backup', '--json'], {
      DATABASE_URL: url,
      BACKUP_DIR: directory,
    });
    await until(() => files().some((name) => name.endsWith('.dump.part')), 10_000, 'a dump that is written');
    return pgkeep;
  }

  /** Waits until pg_dump reads a table. @returns the id of the server's process that it reads from. */
  async function copying(database: string): Promise<number> {
    let pid = 0;
    const found = async (): Promise<boolean> => {
      const { rows } = await query(
        own.cluster.url('postgres'),
        `SELECT pid FROM pg_stat_activity WHERE datname = $1 AND query LIKE 'COPY %'`,
        [database],
      );
      pid = rows[0]?.pid ?? 0;
      return pid !== 0;
    };
    await until(found, 10_000, 'a server’s process that copies');
    return pid;
  }

  /** Backs up, restores with stock pg_restore into `target`, and compares with the manifest. */
  async function expectRoundTrip(url: string, target: string): Promise<Manifest> {
    const before = await holdings(url);
    const { code, stdout } = await runCli(['backup', '--json'], { DATABASE_URL: url, BACKUP_DIR: directory });
    expect(code).toBe(0);
    const manifest = manifestOf(stdout);
    expect(manifest.tables).toEqual(before.tables);
    expect(await stockRestore(JSON.parse(stdout).archive, target)).toMatchObject({ exitCode: 0 });
    const after = await holdings(target);
    expect(after.tables).toEqual(manifest.tables);
    expect(after.catalogue).toEqual(manifest.catalogue);
    return manifest;
  }

  it('kill -9 of the server process that it reads from: exit 1, nothing left, and the next backup succeeds', async () => {
    const url = await made('crashed');
    await query(url, LARGE);
    const pgkeep = await begun(url);
    process.kill(await copying('crashed'), 'SIGKILL');
    expect(await pgkeep.end()).toEqual({ code: 1, signal: null });
    expect(JSON.parse(pgkeep.stdout).error.message).toMatch(/^Cannot back up .*\/crashed: /);
    expect(files()).toEqual([]);
    // The server restarts itself after that.
    const answers = () =>
      query(url, 'SELECT 1').then(
        () => true,
        () => false,
      );
    await until(answers, 20_000, 'the server, recovered');
    expect((await runCli(['backup'], { DATABASE_URL: url, BACKUP_DIR: directory })).code).toBe(0);
  });

  it('a migration during the backup waits, or the dump shows the state before it', async () => {
    const url = await made('migrated');
    await query(url, `${LARGE}; CREATE TABLE later (id int); INSERT INTO later VALUES (1)`);
    const before = await holdings(url);
    const pgkeep = await begun(url);
    await copying('migrated');
    const migrating = query(
      url,
      'CREATE TABLE newer (id int); ALTER TABLE later ADD COLUMN note text; UPDATE t SET v = NULL WHERE i % 2 = 0',
    );
    expect(await pgkeep.end()).toEqual({ code: 0, signal: null });
    await migrating;
    const manifest = manifestOf(pgkeep.stdout);
    expect(manifest.tables).toEqual(before.tables);
    expect(manifest.catalogue).toEqual(before.catalogue);
    const target = await made('migrated_restored');
    expect(await stockRestore(JSON.parse(pgkeep.stdout).archive, target)).toMatchObject({ exitCode: 0 });
    const after = await holdings(target);
    expect(after.tables).toEqual(manifest.tables);
    expect(after.catalogue).toEqual(manifest.catalogue);
  });

  it.each([
    ['LATIN1', `ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'`, `chr(228) || chr(241)`],
    ['SQL_ASCII', `ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'`, `E'\\\\344\\\\361'`],
    ['UTF8', `ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'de-DE'`, `'ß' || chr(128512)`],
  ])('a database in %s (%s) is restored as it was', async (encoding, options, text) => {
    const name = `coded_${encoding.toLowerCase()}`;
    const url = await made(name, options);
    const literal = encoding === 'SQL_ASCII' ? text.replaceAll('\\\\', '\\') : text;
    await query(url, `CREATE TABLE t AS SELECT i, ${literal} AS v FROM generate_series(1, 100) i`);
    await query(url, 'CREATE INDEX t_v ON t (v)');
    const manifest = await expectRoundTrip(url, await made(`${name}_restored`, options));
    expect(manifest.encoding).toBe(encoding);
  });

  it('a column sorted by an ICU collation is restored with its index', async () => {
    const url = await made('collated');
    await query(
      url,
      `CREATE COLLATION german_phonebook (provider = icu, locale = 'de-u-co-phonebk');
       CREATE TABLE people (name text COLLATE german_phonebook PRIMARY KEY);
       INSERT INTO people VALUES ('Ärger'), ('Arger'), ('Aerger')`,
    );
    await expectRoundTrip(url, await made('collated_restored'));
  });

  it('can be taken from a standby, without the rows of unlogged tables', async () => {
    const url = await made('followed');
    await query(
      url,
      `CREATE TABLE t AS SELECT generate_series(1, 1000) AS i; CREATE UNLOGGED TABLE quick (i int)`,
    );
    const standby = await startStandby(own);
    try {
      const { code, stdout, stderr } = await runCli(['backup', '--json'], {
        DATABASE_URL: standby.url('followed'),
        BACKUP_DIR: directory,
      });
      expect({ code, stderr }).toMatchObject({ code: 0 });
      expect(manifestOf(stdout).tables.map(({ name, rows }) => ({ name, rows }))).toEqual([
        { name: 'public.t', rows: 1000 },
      ]);
      const target = await made('followed_restored');
      expect(await stockRestore(JSON.parse(stdout).archive, target)).toMatchObject({ exitCode: 0 });
    } finally {
      await standby.destroy();
    }
  });
});
