import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { findingsOf, look } from './look.js';

function inDays(days: number): Date {
  return new Date(Date.now() + days * 86_400_000);
}

describe('what the probes see of the structure', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster({
      validity: { notBefore: inDays(-1), notAfter: inDays(100) },
      settings: { fsync: 'on', full_page_writes: 'on', shared_preload_libraries: 'pg_stat_statements' },
    });
  });
  afterAll(() => own.cluster.destroy());

  it('is nothing in a healthy database', async () => {
    const url = await createClinic(own, 'healthy', { seeded: true });
    await query(url, 'CREATE SCHEMA "Extra"; CREATE EXTENSION pg_stat_statements SCHEMA "Extra"; ANALYZE;');
    const report = await look(url);
    expect(report.findings).toEqual([]);
    expect(report.unseen).toEqual([]);
    expect(report).toMatchObject({ database: 'healthy', environment: 'development' });
    expect(report.sessions).toMatchObject({ limit: 97, own: 1, waiting: 0 });
    const unknown = Object.entries(report.vitals).filter(([, value]) => value === null);
    // Where nothing happened between the two samples there is no average, and without replicas no lag.
    expect(
      unknown
        .map(([name]) => name)
        .filter((name) => !['cacheHit', 'meanStatementMs', 'replicaLagSeconds', 'slotBytes'].includes(name)),
    ).toEqual([]);
    expect(report.largest[0]?.bytes).toBeGreaterThan(100_000);
    expect(report.statements.length).toBeGreaterThan(0);
  });

  it('is an unlogged table, a constraint that was never validated, and duplicate and invalid indexes', async () => {
    const url = await createDatabase(own, 'structure');
    await query(
      url,
      `CREATE TABLE parent (id bigint PRIMARY KEY);
       CREATE TABLE child (id bigint PRIMARY KEY, "Parent" bigint, x bigint);
       INSERT INTO child VALUES (1, 1, 1), (2, 1, 1);
       ALTER TABLE child ADD CONSTRAINT "to parent" FOREIGN KEY ("Parent") REFERENCES parent NOT VALID;
       CREATE INDEX once ON child (x); CREATE INDEX twice ON child (x); CREATE INDEX otherwise ON child (x DESC);
       CREATE INDEX pk_again ON child (id);
       CREATE UNLOGGED TABLE cache ();`,
    );
    await expect(
      query(url, 'CREATE UNIQUE INDEX CONCURRENTLY "not Unique" ON child ("Parent")'),
    ).rejects.toThrow('could not create unique index');
    const report = await look(url);
    expect(report.findings.filter(({ code }) => code !== 'STATEMENTS_UNKNOWN')).toEqual([
      {
        code: 'INDEX_INVALID',
        severity: 'warning',
        subject: '"not Unique"',
        text: 'Index "not Unique" of child is invalid: writes maintain it, and no query uses it',
        remedy: 'Drop the index, and create it again.',
        sql: 'DROP INDEX CONCURRENTLY "not Unique";',
      },
      {
        code: 'TABLE_UNLOGGED',
        severity: 'info',
        subject: 'cache',
        text: 'cache is unlogged: it is empty after a crash',
        remedy: 'Make it a logged table, unless its rows can be lost.',
        sql: 'ALTER TABLE cache SET LOGGED;',
      },
      {
        code: 'INDEX_DUPLICATE',
        severity: 'info',
        subject: 'child_pkey',
        text: 'pk_again of child duplicates child_pkey',
        remedy: 'Drop the one that backs no constraint.',
        sql: 'DROP INDEX CONCURRENTLY pk_again;',
      },
      {
        code: 'INDEX_DUPLICATE',
        severity: 'info',
        subject: 'once',
        text: 'twice of child duplicates once',
        remedy: 'Drop the one that backs no constraint.',
        sql: 'DROP INDEX CONCURRENTLY twice;',
      },
      {
        code: 'CONSTRAINT_NOT_VALID',
        severity: 'info',
        subject: 'child "to parent"',
        text: 'Constraint "to parent" of child was never validated',
        remedy: 'Validate it; that blocks neither reads nor writes.',
        sql: 'ALTER TABLE child VALIDATE CONSTRAINT "to parent";',
      },
    ]);
  });

  it('is dead rows, outdated statistics, a foreign key without an index, and keys that run out', async () => {
    const url = await createDatabase(own, 'rows');
    await query(
      url,
      `CREATE TABLE parent (id bigint PRIMARY KEY);
       INSERT INTO parent VALUES (1);
       CREATE TABLE child (id serial PRIMARY KEY, small smallserial, parent_id bigint REFERENCES parent)
         WITH (autovacuum_enabled = false);
       INSERT INTO child (parent_id, small) SELECT 1, 1 FROM generate_series(1, 20000);
       SELECT setval('child_id_seq', 1700000000), setval('child_small_seq', 32000);`,
    );
    await query(url, 'UPDATE child SET small = 2');
    const report = await look(url);
    expect(
      findingsOf(report, 'TABLE_BLOATED', 'STATISTICS_STALE', 'FOREIGN_KEY_UNINDEXED', 'IDS_RUN_OUT'),
    ).toEqual([
      'critical child.small: child.small (smallint) has used 97 % of its numbers',
      'warning child: child has 20,000 dead rows beside 20,000 live ones; autovacuum is off for it',
      'warning child.id: child.id (integer) has used 79 % of its numbers',
      'info child: child was never analyzed',
      'info child(parent_id): child(parent_id) has no index: each DELETE in parent reads all of child',
    ]);
    expect(report.findings.find(({ code }) => code === 'TABLE_BLOATED')).toMatchObject({
      remedy: 'Switch autovacuum on for the table again, and vacuum it.',
      sql: 'ALTER TABLE child RESET (autovacuum_enabled);\nVACUUM (VERBOSE, ANALYZE) child;',
    });
  });

  it('is a key that runs out among thousands of sequences, without a lock on each of them', async () => {
    const url = await createDatabase(own, 'sequences');
    await query(
      url,
      `DO $$ BEGIN FOR i IN 1..3000 LOOP
         EXECUTE format('CREATE SEQUENCE s%s AS int', i); IF i % 500 = 0 THEN COMMIT; END IF;
       END LOOP; END $$`,
    );
    await query(
      url,
      `CREATE TABLE full_key (id serial PRIMARY KEY); INSERT INTO full_key SELECT generate_series(1, 1000);
       SELECT setval('full_key_id_seq', 2100000000); ANALYZE full_key`,
    );
    const report = await look(url);
    expect(report.unseen).toEqual([]);
    expect(findingsOf(report, 'IDS_RUN_OUT')).toEqual([
      'critical full_key.id: full_key.id (integer) has used 97 % of its numbers',
    ]);
  });

  it('is seen although another session holds the tables and sequences exclusively', async () => {
    const url = await createClinic(own, 'locked', { seeded: true });
    await query(url, `SELECT setval('sessions_id_seq', 2000000000), setval('children_id_seq', 2000000000)`);
    const holder = new Client({ connectionString: url });
    await holder.connect();
    try {
      await holder.query('BEGIN; LOCK TABLE sessions, children; ALTER SEQUENCE sessions_id_seq NO CYCLE;');
      const report = await look(url);
      expect(report.unseen).toEqual([]);
      // The sequence that is held is not read.
      expect(findingsOf(report, 'IDS_RUN_OUT')).toEqual([
        'critical children.id: children.id (integer) has used 93 % of its numbers',
      ]);
      expect(report.largest.map(({ name }) => name)).toContain('sessions');
    } finally {
      await holder.end();
    }
  });

  it('has names of every kind', async () => {
    const url = await createDatabase(own, 'awkward');
    await query(url, readFileSync('test/support/awkward.sql', 'utf8'));
    expect((await look(url)).unseen).toEqual([]);
  });

  it('is less with a role that has no rights, which is reported', async () => {
    const url = await createClinic(own, 'hidden');
    await query(url, `CREATE ROLE "least Role" LOGIN PASSWORD 'secret'`);
    const report = await look(url.replace(/\/\/[^@]+@/, `//${encodeURIComponent('least Role')}:secret@`));
    expect(report.unseen).toEqual([]);
    expect(findingsOf(report, 'STATISTICS_HIDDEN', 'SEQUENCES_HIDDEN')).toEqual([
      'info : Role least Role cannot see the sessions and statements of other roles',
      'info : 9 sequences cannot be read by this role',
    ]);
    expect(report.findings.find(({ code }) => code === 'STATISTICS_HIDDEN')?.sql).toBe(
      'GRANT pg_monitor TO "least Role";',
    );
  });
});
