import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import type { BackupReport, Manifest } from '../../src/backup/backup.types.js';
import { parseManifest } from '../../src/backup/catalog/manifest.js';
import {
  readVersions,
  ReplacedWhileDumped,
  requireVersions,
} from '../../src/backup/create/structure-changes.js';
import { parseDatabaseUrl } from '../../src/config/database-url.js';
import { withConnection } from '../../src/postgres/connect.js';
import { backupDirectory, holdings, stockRestore, withBackups } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

/** Enough objects that pg_dump takes a moment to read them. */
const STILL = `
  CREATE TABLE kept AS SELECT i, md5(i::text) AS v FROM generate_series(1, 1000) i;
  CREATE TABLE parted (id int) PARTITION BY RANGE (id);
  CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (100);
  INSERT INTO parted SELECT generate_series(0, 99);
  DO $$ BEGIN FOR i IN 1..60 LOOP EXECUTE format('CREATE TABLE still_%s (id serial PRIMARY KEY, v text)', i); END LOOP; END $$`;

describe('a backup while tables are made, changed and dropped', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  /** Sends statements one after the other, again and again, until `work` is done. */
  async function whileRepeating<T>(
    url: string,
    statements: readonly string[],
    work: () => Promise<T>,
  ): Promise<T> {
    const client = new Client({ connectionString: url });
    await client.connect();
    const done = new AbortController();
    const repeating = (async () => {
      let rounds = 0;
      for (; !done.signal.aborted; rounds += 1) {
        for (const statement of statements) await client.query(statement);
      }
      return rounds;
    })();
    try {
      return await work();
    } finally {
      done.abort();
      expect(await repeating).toBeGreaterThan(0);
      await client.end();
    }
  }

  async function backUp(url: string): Promise<{ report: BackupReport; manifest: Manifest }> {
    const environment = { DATABASE_URL: url, BACKUP_DIR: backupDirectory(), NODE_ENV: 'development' };
    const report = await withBackups(environment, (backups) => backups.create());
    const manifest = parseManifest(readFileSync(report.manifest, 'utf8'));
    if (!manifest) throw new Error('not a manifest');
    return { report, manifest };
  }

  it.each([
    [
      'made and dropped',
      [
        'CREATE TABLE short (id serial PRIMARY KEY, v text)',
        `INSERT INTO short (v) SELECT 'x' FROM generate_series(1, 100)`,
        'DROP TABLE short',
      ],
    ],
    [
      'renamed',
      [
        'ALTER TABLE still_1 RENAME TO moved',
        'SELECT pg_sleep(0.4)',
        'ALTER TABLE moved RENAME TO still_1',
        'SELECT pg_sleep(0.4)',
      ],
    ],
    [
      'emptied and filled',
      [
        'BEGIN',
        'TRUNCATE kept',
        `INSERT INTO kept SELECT i, 'new' FROM generate_series(1, 1000) i`,
        'COMMIT',
        'SELECT pg_sleep(0.4)',
      ],
    ],
    [
      'detached and attached',
      [
        'ALTER TABLE parted DETACH PARTITION parted_1',
        'ALTER TABLE parted ATTACH PARTITION parted_1 FOR VALUES FROM (0) TO (100)',
        'SELECT pg_sleep(1)',
      ],
    ],
    [
      'taken away with their extension',
      [
        'CREATE EXTENSION citext',
        'CREATE TABLE ci (v citext)',
        'DROP EXTENSION citext CASCADE',
        'DROP TABLE ci',
        'SELECT pg_sleep(1)',
      ],
    ],
    [
      'under views and functions that come and go',
      [
        'CREATE VIEW seen AS SELECT * FROM kept',
        'CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$',
        'CREATE SEQUENCE numbers',
        'DROP VIEW seen',
        'DROP FUNCTION f()',
        'DROP SEQUENCE numbers',
      ],
    ],
  ])('tables are %s: it succeeds and matches its manifest', async (name, statements) => {
    const url = await createDatabase(own, name.replaceAll(' ', '_'));
    await query(url, STILL);
    const { report, manifest } = await whileRepeating(url, statements, () => backUp(url));
    const target = await createDatabase(own, `${name.replaceAll(' ', '_')}_restored`);
    expect(await stockRestore(report.archive, target)).toMatchObject({ exitCode: 0, stderrTail: '' });
    const after = await holdings(target);
    expect(after.tables).toEqual(manifest.tables);
    expect(after.catalogue).toEqual(manifest.catalogue);
    expect(manifest.tables.find((table) => table.name === 'public.kept')?.rows).toBe(1000);
  });

  it('detects what pg_dump would describe in its current state instead of that of its snapshot', async () => {
    const url = await createDatabase(own, 'described');
    await query(
      url,
      'CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$; CREATE VIEW v AS SELECT 1 AS x; CREATE TABLE t (x int)',
    );
    const options = { connectTimeoutMs: 5000, answerTimeoutMs: 20_000, applicationName: 'test' };
    await withConnection(parseDatabaseUrl(url), options, async (client) => {
      const versions = await readVersions(client);
      await query(
        url,
        'CREATE FUNCTION g() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$; INSERT INTO t VALUES (1)',
      );
      await requireVersions(client, versions);
      await query(url, 'CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 2 $$');
      await expect(requireVersions(client, versions)).rejects.toEqual(
        new ReplacedWhileDumped('1 function, view or domain changed while pg_dump read the structure'),
      );
      await query(url, 'DROP VIEW v');
      await expect(requireVersions(client, versions)).rejects.toThrow(
        '2 functions, views or domains changed while pg_dump read the structure',
      );
    });
  });
});
