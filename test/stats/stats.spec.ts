import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Test, type TestingModule } from '@nestjs/testing';
import { Client } from 'pg';
import { type Environment, readSettings } from '../../src/config/read-settings.js';
import { PgkeepModule } from '../../src/pgkeep.module.js';
import { countStatements, tablesToCount } from '../../src/stats/count-tables.js';
import { StatsService } from '../../src/stats/stats.service.js';
import type { DatabaseStats, RowCounting, TableStats } from '../../src/stats/stats.types.js';
import type { CatalogueRow } from '../../src/stats/table-catalogue.js';
import { createDatabase, query } from '../support/clinic.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

function row(oid: string, pages: number, exact = false): CatalogueRow {
  return {
    oid,
    schema: 'public',
    name: `t"${oid}`,
    partitioned: false,
    estimate: 0,
    exact,
    countable: true,
    locked: false,
    sizes_exact: true,
    pages,
    total_bytes: 0,
    index_bytes: 0,
    dead_rows: 0,
    last_vacuum: null,
    last_analyze: null,
  };
}

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

  it('counts small tables, uses the planner’s estimates for others, and says which is which', async () => {
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

  it('counts every table on request', async () => {
    expect(counts(await collect('exact'))).toMatchObject({ 'app.large': [399_002, true] });
  });

  it('reports for which table the time ran out', async () => {
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

  it('does not count tables of which row-level security hides rows', async () => {
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

  describe('while tables are locked', () => {
    let locker: Client;
    beforeEach(async () => {
      locker = await connected();
      await query(url, 'CREATE TABLE held (id int PRIMARY KEY, note text); INSERT INTO held VALUES (1)');
    });
    afterEach(async () => {
      await locker.end();
      await query(url, 'DROP TABLE held');
    });

    const connected = async (): Promise<Client> => {
      const client = new Client({ connectionString: url });
      client.on('error', () => undefined);
      await client.connect();
      return client;
    };

    it.each<[string, string, RowCounting, string]>([
      ['a table', 'LOCK TABLE held IN ACCESS EXCLUSIVE MODE', 'estimated', 'public.held'],
      ['a table, though every row is asked for', 'TRUNCATE held', 'exact', 'public.held'],
      ['an index', 'ALTER INDEX held_pkey SET TABLESPACE pg_default', 'estimated', 'public.held'],
      ['a leaf', 'LOCK TABLE parted_low_leaf IN ACCESS EXCLUSIVE MODE', 'exact', 'public.parted'],
    ])('leaves out %s, and names them', async (_what, sql, counting, name) => {
      await locker.query(`BEGIN; ${sql}`);
      const { tables, tableCount } = await collect(counting, { DB_QUERY_TIMEOUT: '20000' });
      expect(tables).toHaveLength(tableCount);
      const locked = tables.filter((table) => table.locked);
      expect(locked).toEqual([
        {
          name,
          rowCount: expect.any(Number),
          rowCountIsExact: false,
          totalBytes: expect.any(Number),
          indexBytes: expect.any(Number),
          sizesAreExact: false,
          deadRows: expect.any(Number),
          lastVacuumAt: null,
          lastAnalyzeAt: null,
          locked: true,
        },
      ]);
      const others = tables.filter((table) => !table.locked);
      expect(others.filter(({ sizesAreExact }) => !sizesAreExact)).toEqual([]);
      expect(others.find((table) => table.name === 'public.analysed')?.rowCount).toBe(5000);
    });

    it('does not queue behind a session that waits for such a lock', async () => {
      const waiting = await connected();
      await locker.query('BEGIN; SELECT FROM held');
      const altering = waiting.query('ALTER TABLE held ADD COLUMN extra int');
      await until(async () => {
        const { rows } = await query(
          url,
          `SELECT FROM pg_locks WHERE relation = 'held'::regclass AND NOT granted`,
        );
        return rows.length > 0;
      });
      const { tables } = await collect('estimated');
      expect(tables.filter(({ locked }) => locked).map(({ name }) => name)).toEqual(['public.held']);
      await locker.query('COMMIT');
      await altering;
      await waiting.end();
    });

    it('answers even if a table is locked between the two queries', async () => {
      const end = new AbortController();
      const locking = (async () => {
        while (!end.signal.aborted) {
          await locker.query(
            'BEGIN; LOCK TABLE held IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(0.12); COMMIT',
          );
        }
      })();
      for (let round = 0; round < 12; round += 1) {
        const { tables } = await collect(round % 2 === 0 ? 'estimated' : 'exact');
        expect(tables.map(({ name }) => name)).toContain('public.held');
      }
      end.abort();
      await locking;
    });

    it('reports it on the command line', async () => {
      await locker.query('BEGIN; LOCK TABLE held IN ACCESS EXCLUSIVE MODE');
      const { code, stdout } = await runCli(['stats'], { DATABASE_URL: url });
      expect(code).toBe(0);
      expect(stdout).toMatch(/^public\.held +~1 +~16\.0 kB +~8\.0 kB +0 +never +never$/m);
      expect(stdout).toMatch(
        /\n\n~ locked by another session, and neither measured nor counted: public\.held\.\n$/,
      );
    });
  });

  it('measures the largest of many tables, and estimates the others', async () => {
    const many = await createDatabase(own, 'many');
    await query(
      many,
      `DO $$ BEGIN FOR i IN 1..240 LOOP
         EXECUTE format('CREATE TABLE small_%s (id int PRIMARY KEY); INSERT INTO small_%1$s VALUES (1)', i);
       END LOOP; END $$`,
    );
    await query(many, 'VACUUM ANALYZE');
    await query(
      many,
      `CREATE TABLE vacuumed AS SELECT generate_series(1, 20000) AS id;
       CREATE TABLE new AS SELECT generate_series(1, 20000) AS id`,
    );
    await query(many, 'VACUUM ANALYZE vacuumed');
    const { tables } = await collect('estimated', { DATABASE_URL: many });
    expect(tables.filter(({ sizesAreExact }) => sizesAreExact)).toHaveLength(200);
    const { rows } = await query(
      many,
      `SELECT relname, pg_total_relation_size(oid)::int AS bytes FROM pg_class WHERE relname IN ('vacuumed', 'new')`,
    );
    for (const { relname, bytes } of rows) {
      expect(tables.find(({ name }) => name === `public.${relname}`)).toMatchObject({
        rowCount: 20_000,
        rowCountIsExact: true,
        totalBytes: bytes,
        sizesAreExact: true,
      });
    }
    const estimated = tables.filter(({ sizesAreExact }) => !sizesAreExact);
    expect(estimated).toHaveLength(42);
    // One page of the table, two of its index.
    for (const table of estimated) {
      expect(table).toMatchObject({
        rowCount: 1,
        rowCountIsExact: true,
        totalBytes: 24_576,
        indexBytes: 16_384,
      });
    }
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
  it('takes small tables whose number is not exact, the smallest first, within the budget', () => {
    const rows = [row('large', 1025), row('exact', 1, true), row('b', 2), row('a', 1)];
    expect(tablesToCount(rows).map(({ oid }) => oid)).toEqual(['a', 'b']);
    expect(tablesToCount(Array.from({ length: 20 }, (_, index) => row(String(index), 1024)))).toHaveLength(8);
  });

  it('counts no more tables than the budget', () => {
    expect(tablesToCount(Array.from({ length: 1200 }, (_, index) => row(String(index), 0)))).toHaveLength(
      1000,
    );
  });

  it('leaves out locked tables and tables without statistics', () => {
    const rows = [{ ...row('locked', 1), locked: true }, { ...row('unseen', 1), pages: null }, row('a', 1)];
    expect(tablesToCount(rows).map(({ oid }) => oid)).toEqual(['a']);
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
