import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { Test, type TestingModule } from '@nestjs/testing';
import { readSettings, type Environment } from '../../src/config/read-settings.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';
import { countStatements, tablesToCount } from '../../src/stats/count-plan.js';
import { StatsService } from '../../src/stats/stats.service.js';
import type { DatabaseStats, RowCounting, TableStats } from '../../src/stats/stats.types.js';
import type { CatalogueRow } from '../../src/stats/table-catalogue.js';
import { until } from '../support/until.js';
import { createDatabase, query } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

describe('the statistics', () => {
  let own: ThrowAwayCluster;
  let url: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster({
      settings: { autovacuum: 'off', max_parallel_workers_per_gather: '0' },
    });
    url = await createDatabase(own, 'stats');
    await query(
      url,
      `CREATE TABLE analysed AS SELECT generate_series(1, 5000) AS id;
       CREATE TABLE "Never ""Analysed"".é" AS SELECT generate_series(1, 321) AS id;
       CREATE TABLE empty (id int);
       CREATE TABLE parted (id int) PARTITION BY RANGE (id);
       CREATE TABLE parted_low PARTITION OF parted FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id);
       CREATE TABLE parted_low_leaf PARTITION OF parted_low FOR VALUES FROM (0) TO (100);
       CREATE TABLE parted_high PARTITION OF parted FOR VALUES FROM (100) TO (1000);
       INSERT INTO parted SELECT generate_series(50, 149);
       CREATE TABLE inheriting (extra int) INHERITS (empty);
       INSERT INTO inheriting SELECT generate_series(1, 7), 0;
       CREATE SCHEMA app; CREATE TABLE app.large AS SELECT generate_series(1, 400000) AS id;
       CREATE SCHEMA pgkeep; CREATE TABLE pgkeep.own (id int);
       CREATE TEMP TABLE temporary (id int);`,
    );
    await query(url, 'ANALYZE analysed; ANALYZE app.large;');
    await query(url, 'DELETE FROM app.large WHERE id <= 1000; INSERT INTO app.large VALUES (1), (2);');
  });
  afterAll(() => own.cluster.destroy());

  async function collect(counting: RowCounting, environment: Environment = {}): Promise<DatabaseStats> {
    const settings = readSettings({ DATABASE_URL: url, ...environment });
    const module: TestingModule = await Test.createTestingModule({
      imports: [PgkeepModule.forRoot(settings)],
    }).compile();
    try {
      return await module.get(StatsService).collect(counting);
    } finally {
      await module.close();
    }
  }

  function counts(stats: DatabaseStats): object {
    return Object.fromEntries(
      stats.tables.map(({ name, rowCount, rowCountIsExact }) => [name, [rowCount, rowCountIsExact]]),
    );
  }

  it('counts what is small, believes the planner for the rest, and says which is which', async () => {
    const stats = await collect('estimated');
    expect(counts(stats)).toEqual({
      'app.large': [400_000, false],
      'public.analysed': [5000, true],
      'public.Never "Analysed".é': [321, true],
      'public.parted': [100, true],
      'public.inheriting': [7, true],
      'public.empty': [0, true],
    });
    expect(stats.tables.map(({ name }) => name)[0]).toBe('app.large');
    expect(stats.tableCount).toBe(6);
    expect(stats.sizeMB).toBe(Math.round((stats.sizeBytes / 1_048_576) * 100) / 100);
    expect(stats.connections).toMatchObject({ max: 100, pool: { total: 1, idle: 0, waiting: 0 } });
    expect(stats.tables[0]).toMatchObject({
      deadRows: 1000,
      lastVacuumAt: null,
      lastAnalyzeAt: expect.any(String),
    });
  });

  it('counts every table when asked', async () => {
    expect(counts(await collect('exact'))).toMatchObject({ 'app.large': [399_002, true] });
  });

  it('says for which table the time ran out', async () => {
    // Polled: on a busy machine the catalogue query alone may use up the time.
    await query(
      url,
      'CREATE UNLOGGED TABLE app.huge AS SELECT generate_series(1, 3000000) AS id; ANALYZE app.huge',
    );
    const table = async (): Promise<TableStats | undefined> => {
      const stats = await collect('exact', { DB_QUERY_TIMEOUT: '60' }).catch(() => undefined);
      return stats?.tables.find(({ name }) => name === 'app.huge');
    };
    await until(async () => (await table())?.countTimedOut === true);
    const { rowCountIsExact, rowCount } = (await table()) ?? {};
    expect([rowCountIsExact, rowCount === undefined ? 0 : Math.round(rowCount / 1e6)]).toEqual([false, 3]);
  });

  it('does not count what row-level security would hide', async () => {
    await query(
      url,
      `CREATE TABLE app.secret AS SELECT generate_series(1, 50) AS id;
       ALTER TABLE app.secret ENABLE ROW LEVEL SECURITY;
       CREATE ROLE reader LOGIN PASSWORD 'pw'; GRANT USAGE ON SCHEMA app TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA app TO reader;`,
    );
    const asReader = { DATABASE_URL: url.replace(/\/\/[^@]*@/, '//reader:pw@') };
    expect(counts(await collect('exact', asReader))).toMatchObject({ 'app.secret': [50, false] });
    expect(counts(await collect('exact'))).toMatchObject({ 'app.secret': [50, true] });
  });

  it('says so when a migration holds a table', async () => {
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query('BEGIN; LOCK TABLE analysed IN ACCESS EXCLUSIVE MODE');
    await expect(collect('estimated', { DB_QUERY_TIMEOUT: '400' })).rejects.toMatchObject({
      code: 'DATABASE_TIMEOUT',
      message: 'Cannot collect the database statistics: canceling statement due to lock timeout',
      hint: 'Another session holds a lock; a migration may be running. pg_locks and pg_stat_activity name it.',
    });
    await client.end();
  });

  it('explains a database that does not answer', async () => {
    await expect(
      collect('estimated', { DATABASE_URL: 'postgresql://u:hunter2@127.0.0.1:1/db' }),
    ).rejects.toMatchObject({
      code: 'DATABASE_UNREACHABLE',
      message: 'Cannot collect the database statistics: connect ECONNREFUSED 127.0.0.1:1',
    });
  });
});

describe('the plan of counts', () => {
  function row(oid: string, pages: number, exact = false): CatalogueRow {
    return {
      oid,
      schema: 'public',
      name: `t"${oid}`,
      partitioned: false,
      estimate: 0,
      exact,
      countable: true,
      pages,
      total_bytes: 0,
      index_bytes: 0,
      dead_rows: 0,
      last_vacuum: null,
      last_analyze: null,
    };
  }

  it('takes small tables whose number is not exact, the smallest first, within the budget', () => {
    const rows = [row('large', 1025), row('exact', 1, true), row('b', 2), row('a', 1)];
    expect(tablesToCount(rows).map(({ oid }) => oid)).toEqual(['a', 'b']);
    expect(tablesToCount(Array.from({ length: 20 }, (_, index) => row(String(index), 1024)))).toHaveLength(8);
  });

  it('quotes names and batches statements', () => {
    expect(countStatements([row('1', 1), row('2', 1), row('3', 1)], 2)).toEqual([
      {
        oids: ['1', '2'],
        sql: `SELECT '1' AS oid, count(*)::float8 AS rows FROM ONLY "public"."t""1"\nUNION ALL\nSELECT '2' AS oid, count(*)::float8 AS rows FROM ONLY "public"."t""2"`,
      },
      { oids: ['3'], sql: `SELECT '3' AS oid, count(*)::float8 AS rows FROM ONLY "public"."t""3"` },
    ]);
  });
});
