import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { RestoreTestReport } from '../../src/restore/test/restore-test.types.js';
import { backupDirectory, withBackups } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { faultsOf, replaceArchive, reportedBy, withRestoreTests } from '../support/restores.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

jest.setTimeout(120_000);

/** What pg_dump and pg_restore do not keep: docs/backup-comparison.md. */
const KINDS = `
  CREATE TABLE customer (id int PRIMARY KEY);
  CREATE TABLE visit (id int, customer_id int CONSTRAINT visit_customer_fk REFERENCES customer) PARTITION BY RANGE (id);
  CREATE TABLE visit_2026 (id int, customer_id int CONSTRAINT visit_2026_customer_fk REFERENCES customer);
  ALTER TABLE visit ATTACH PARTITION visit_2026 FOR VALUES FROM (1) TO (100);
  INSERT INTO customer SELECT generate_series(1, 10);
  INSERT INTO visit SELECT g, 1 + g % 10 FROM generate_series(1, 50) g;
  ALTER TABLE visit_2026 DISABLE TRIGGER ALL;
  CREATE EXTENSION pg_trgm VERSION '1.3';
  CREATE TABLE dup AS SELECT 1 AS x FROM generate_series(1, 2);
  CREATE TABLE par (v int); CREATE TABLE chi () INHERITS (par);
  ALTER TABLE par ADD CONSTRAINT pos CHECK (v > 0) NOT VALID; ALTER TABLE chi VALIDATE CONSTRAINT pos;
  CREATE TABLE strict (v int NOT NULL); CREATE TABLE lax () INHERITS (strict); ALTER TABLE lax ALTER v DROP NOT NULL;
  CREATE MATERIALIZED VIEW base AS SELECT 1 AS a; CREATE MATERIALIZED VIEW above AS SELECT * FROM base;
  REFRESH MATERIALIZED VIEW base WITH NO DATA;
  CREATE FUNCTION gen(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
  CREATE TABLE computed (a int, b int GENERATED ALWAYS AS (gen(a)) STORED); INSERT INTO computed VALUES (1);
  CREATE OR REPLACE FUNCTION gen(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 2'`;
const HASHED = `
  CREATE TYPE colour AS ENUM ('red', 'green', 'blue', 'black', 'white', 'pink', 'grey', 'gold');
  CREATE TABLE car (c colour, n int) PARTITION BY HASH (c);
  CREATE TABLE car_0 PARTITION OF car FOR VALUES WITH (MODULUS 4, REMAINDER 0);
  CREATE TABLE car_1 PARTITION OF car FOR VALUES WITH (MODULUS 4, REMAINDER 1);
  CREATE TABLE car_2 PARTITION OF car FOR VALUES WITH (MODULUS 4, REMAINDER 2);
  CREATE TABLE car_3 PARTITION OF car FOR VALUES WITH (MODULUS 4, REMAINDER 3);
  INSERT INTO car SELECT (enum_range(NULL::colour))[1 + g % 8], g FROM generate_series(1, 800) g`;

describe('a difference that no restore can avoid', () => {
  let own: ThrowAwayCluster;
  let environment: Record<string, string>;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    environment = { TEST_DATABASE_URL: own.cluster.url('postgres') };
  });
  afterAll(() => own.cluster.destroy());

  async function tested(url: string, format: string, change = ''): Promise<RestoreTestReport> {
    const settings = {
      ...environment,
      DATABASE_URL: url,
      BACKUP_DIR: backupDirectory(),
      BACKUP_FORMAT: format,
    };
    const backup = await withBackups(settings, (backups) => backups.create());
    if (change !== '') {
      const changed = await createDatabase(own, 'changed', new URL(url).pathname.slice(1));
      await query(changed, change);
      await replaceArchive(backup, changed);
      await query(url, 'DROP DATABASE changed');
    }
    return await withRestoreTests(settings, (tests) => tests.run({ backup: backup.name }));
  }

  it.each(['custom', 'plain'])('is reported and does not fail: %s', async (format) => {
    const url = await createDatabase(own, `kinds_${format}`);
    await query(url, KINDS);
    await query(url, 'CREATE UNIQUE INDEX CONCURRENTLY dup_u ON dup (x)').catch(() => undefined);
    const report = await tested(url, format);
    expect(faultsOf(report)).toEqual({});
    expect(report).toMatchObject({
      verdict: 'passed',
      notes: [
        'differences that no restore can avoid: contents (1), relations (1), columns (1), constraints (2), indexes (1), triggers (1), extensions (1)',
      ],
    });
    expect(reportedBy(report)).toEqual({
      contents: [
        'public.computed: generated columns were computed again and have other values; all other columns are unchanged',
      ],
      relations: [
        'materialized view public.above is now empty (not populated): it selects from a view that was not populated, so that a restore cannot refresh it',
      ],
      columns: [
        'column public.lax.v is now NOT NULL, as on the parent: a dump does not record that it was dropped on the child',
      ],
      constraints: [
        'constraint visit_2026_customer_fk of public.visit_2026 is now named visit_customer_fk: a dump does not contain the name of an inherited constraint',
        'constraint pos of public.chi is now NOT VALID, as on the parent: a dump does not record it for the child',
      ],
      indexes: ['invalid index public.dup_u was not restored: a dump does not contain it'],
      triggers: [
        'foreign key visit_2026_customer_fk of public.visit_2026 is now named visit_customer_fk, and so are its triggers',
      ],
      extensions: [
        "extension pg_trgm was version 1.3 and is now 1.6: a dump does not contain the version, and a restore installs the server's default",
      ],
    });
  });

  it.each(['custom', 'plain'])('rows that move between hash partitions: %s', async (format) => {
    const url = await createDatabase(own, `hashed_${format}`);
    await query(url, HASHED);
    // An enum value is hashed by its oid: it differs in some of the next databases.
    const report = await tested(url, format);
    expect(faultsOf(report)).toEqual({});
    const moved =
      'rows moved between the partitions of public.car, none is lost: a dump loads them through the partitioned table, and an enum value has another hash in each database';
    const rows = report.tables.filter(({ expectedRows, foundRows }) => expectedRows !== foundRows);
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.every(({ reported }) => reported === moved)).toBe(true);
    expect(report.tables.reduce((sum, { foundRows }) => sum + (foundRows ?? 0), 0)).toBe(800);
  });

  it('does not excuse a lost or changed row', async () => {
    const url = await createDatabase(own, 'hashed_loss');
    await query(url, HASHED);
    const lost = faultsOf(await tested(url, 'custom', 'DELETE FROM car WHERE n = 5'));
    expect(Object.keys(lost)).toEqual(['rows', 'contents']);
    const other = faultsOf(await tested(url, 'custom', 'UPDATE car SET n = 900 WHERE n = 5'));
    expect(Object.keys(other)).toContain('contents');
  });

  it('does not excuse a lost key, or another name than a partition’s', async () => {
    const url = await createDatabase(own, 'keys');
    await query(url, KINDS);
    expect(
      Object.keys(
        faultsOf(await tested(url, 'custom', 'ALTER TABLE visit DROP CONSTRAINT visit_customer_fk')),
      ),
    ).toEqual(['constraints', 'triggers']);
    const renamed = 'ALTER TABLE customer RENAME CONSTRAINT customer_pkey TO other_pkey';
    expect(faultsOf(await tested(url, 'custom', renamed))).toEqual({
      constraints:
        'constraint customer_pkey of public.customer is missing: PRIMARY KEY id; constraint other_pkey of public.customer is not in the backup: PRIMARY KEY id',
      indexes:
        'index public.customer_pkey is missing: CREATE UNIQUE INDEX customer_pkey ON public.customer USING btree id; index public.other_pkey is not in the backup: CREATE UNIQUE INDEX other_pkey ON public.customer USING btree id',
    });
    const written = faultsOf(await tested(url, 'custom', 'UPDATE computed SET a = 7'));
    expect(written).toEqual({ contents: 'the rows of public.computed have other contents' });
  });
});
