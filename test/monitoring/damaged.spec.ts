import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { run } from '../../src/core/process/run.js';
import { unprivilegedUser } from '../../src/cluster/data-directory.js';
import { createDatabase, query } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { findingsOf, look } from './look.js';

describe('what the probes see of a server that is damaged, or near its end', () => {
  let own: ThrowAwayCluster;
  let url: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster({
      settings: {
        autovacuum: 'off',
        // Otherwise the server freezes the rows by itself, before a test sees them.
        autovacuum_freeze_max_age: '2000000000',
        max_slot_wal_keep_size: '1MB',
        min_wal_size: '32MB',
        max_wal_size: '32MB',
      },
    });
    url = await createDatabase(own, 'damaged');
  });
  afterAll(() => own.cluster.destroy());

  /** Runs a program of PostgreSQL on the stopped server's files. */
  async function offline(program: string, ...argv: readonly string[]): Promise<void> {
    const { bin, libraryPath } = own.clusterOptions.binaries;
    const options = { env: { LD_LIBRARY_PATH: libraryPath, LC_ALL: 'C' }, cwd: '/', ...unprivilegedUser() };
    const done = await run(path.join(bin, program), [...argv, own.cluster.dataDirectory], options);
    expect([done.exitCode, done.stderrTail]).toEqual([0, expect.any(String)]);
  }

  it('is nothing while it is healthy', async () => {
    expect(findingsOf(await look(url), 'SLOT_LOST', 'DATA_CORRUPT', 'WRAPAROUND_NEAR')).toEqual([]);
  });

  it('is a replication slot that lost its WAL', async () => {
    await query(url, `SELECT pg_create_physical_replication_slot('reader', true)`);
    for (let segment = 0; segment < 6; segment += 1) {
      await query(url, `SELECT pg_logical_emit_message(false, 'x', repeat('x', 1000)), pg_switch_wal()`);
    }
    await query(url, 'CHECKPOINT');
    expect(findingsOf(await look(url), 'SLOT_LOST')).toEqual([
      'warning reader: Replication slot reader has lost the WAL that its reader needs',
    ]);
    await query(url, `SELECT pg_drop_replication_slot('reader')`);
  });

  it('is a page that failed its checksum', async () => {
    await query(
      url,
      `CREATE TABLE patients AS SELECT n, repeat('x', 100) FROM generate_series(1, 1000) n; CHECKPOINT;`,
    );
    const { rows } = await query(url, `SELECT pg_relation_filepath('patients') AS file`);
    await own.cluster.stop();
    await offline('pg_checksums', '--enable', '--no-sync', '-D');
    const file = path.join(own.cluster.dataDirectory, String(rows[0]?.file));
    const pages = readFileSync(file);
    pages.fill(0x7a, 8192 + 4000, 8192 + 4100);
    writeFileSync(file, pages);
    await own.cluster.startServer();
    await expect(query(url, 'SELECT count(n) FROM patients')).rejects.toThrow('invalid page in block 1');
    const report = await look(url);
    expect(findingsOf(report, 'DATA_CORRUPT')).toEqual(['critical : 1 page failed the checksum']);
    expect(report.counters.checksumFailures).toBe(1);
  });

  it('is a database that runs out of transaction numbers', async () => {
    await query(url, 'DROP TABLE patients; CREATE TABLE "Old" AS SELECT 1 AS id');
    await own.cluster.stop();
    // 1.3 billion transactions later.
    const next = 1_300_234_240;
    await offline('pg_resetwal', '--next-transaction-id', String(next), '-D');
    const segment = Math.floor(next / 1_048_576)
      .toString(16)
      .toUpperCase()
      .padStart(4, '0');
    writeFileSync(path.join(own.cluster.dataDirectory, 'pg_xact', segment), Buffer.alloc(262_144));
    await own.cluster.startServer();
    const report = await look(url);
    expect(findingsOf(report, 'WRAPAROUND_NEAR')).toEqual([
      expect.stringMatching(
        /^warning : The oldest row is 1,300,\d\d\d,\d\d\d transactions old, 61 % of what the server can distinguish$/,
      ),
    ]);
    expect(report.vitals.transactionIdAge).toBeGreaterThan(1_300_000_000);
  });
});
