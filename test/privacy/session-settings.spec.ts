import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { InstallService } from '../../src/install/install.service.js';
import { markPlan, restorePlan } from '../../src/privacy/mark-plan.js';
import { OwnerGraph } from '../../src/privacy/owner-graph.js';
import { PrivacyService } from '../../src/privacy/privacy.service.js';
import { ReplayService } from '../../src/privacy/replay/replay.service.js';
import { openAction, type Rows, type Statement } from '../../src/privacy/row-sql.js';
import { withApp } from '../support/app.js';
import { createDatabase, query } from '../support/clinic.js';
import { applyRules, rulesOf } from '../support/policy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { projectWith } from './schema-project.js';

/** Keys whose text depends on settings of the session; that of Login is personal, and hashed. */
const SCHEMA = `
/// @pgkeep.subject
model Reading {
  at     DateTime @db.Timestamptz(6)
  span   Unsupported("interval")
  weight Float
  digest Bytes
  price  Decimal  @db.Money
  note   String   /// @pgkeep.personal(text)
  deletedAt DateTime? @map("deleted_at")
  @@id([at, span, weight, digest, price])
  @@map("readings")
}
/// @pgkeep.subject
model Login {
  at   DateTime @id @db.Timestamptz(6) /// @pgkeep.personal
  note String   /// @pgkeep.personal(text)
  deletedAt DateTime? @map("deleted_at")
  @@map("logins")
}
`;

const TABLES = `
  CREATE TABLE readings (at timestamptz(6), span interval, weight float8, digest bytea, price money, note text NOT NULL, deleted_at timestamp(3),
    PRIMARY KEY (at, span, weight, digest, price));
  INSERT INTO readings SELECT '2026-05-01T10:00:00.123456Z', '-1 day -2 hours', 0.1::float8 + 0.2::float8, '\\x00ff', 12.5::numeric::money, n
    FROM (VALUES ('erased')) t (n);
  INSERT INTO readings SELECT at + interval '1 day', span, weight, digest, price, 'marked' FROM readings;
  INSERT INTO readings SELECT at + interval '1 day', span, weight, digest, price, 'held' FROM readings WHERE note = 'marked';
  CREATE TABLE logins (at timestamptz(6) PRIMARY KEY, note text NOT NULL, deleted_at timestamp(3));
  INSERT INTO logins VALUES ('2026-05-01T10:00:00.5Z', 'erased'), ('2026-05-02T10:00:00.5Z', 'stays');`;

/** What an administrator may have set for applications. */
const HOSTILE = [
  `TimeZone = 'Asia/Jakarta'`,
  `DateStyle = 'German'`,
  `IntervalStyle = 'sql_standard'`,
  `extra_float_digits = '-10'`,
  `bytea_output = 'escape'`,
];

const KEY = {
  at: '2026-05-01T10:00:00.123456+00:00',
  span: '-1 days -02:00:00',
  weight: 0.30000000000000004,
  digest: '\\x00ff',
  price: '$12.50',
};
const REQUEST = { by: 'dpo', because: 'letter' };

describe('keys whose text depends on settings of the session', () => {
  let own: ThrowAwayCluster;
  let url: string;
  const graph = new OwnerGraph(rulesOf(SCHEMA), 'public');
  const environment = { MIGRATIONS_DIR: projectWith(SCHEMA) };

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own, 'current');
    await query(url, TABLES);
    await withApp(url, (app) => app.get(InstallService).install());
    await applyRules(url, graph.rules);
    await createDatabase(own, 'before', 'current');
    for (const name of ['current', 'before']) {
      for (const setting of HOSTILE) await query(url, `ALTER DATABASE ${name} SET ${setting}`);
    }
  });
  afterAll(() => own.cluster.destroy());

  const idOf = (at: string): string => JSON.stringify({ ...KEY, at });
  const withPrivacy = async <T>(work: (privacy: PrivacyService) => Promise<T>): Promise<T> =>
    await withApp(url, (app) => work(app.get(PrivacyService)), environment);
  const ledgerOf = async (action: string): Promise<unknown[]> =>
    (
      await query(
        url,
        `SELECT r.table_name, r.key, r.what FROM pgkeep.privacy_row r JOIN pgkeep.privacy_action a ON a.id = r.action_id
          WHERE a.action = '${action}' ORDER BY 1, 3`,
      )
    ).rows;

  it('are written by the triggers as they are looked up', async () => {
    await query(
      url,
      `BEGIN; SELECT pgkeep_policy.open_action('hard-delete', 'dpo', 'letter');
       DELETE FROM readings WHERE note = 'erased'; DELETE FROM logins WHERE note = 'erased'; COMMIT`,
    );
    expect(await ledgerOf('hard-delete')).toEqual([
      { table_name: 'public.logins', key: { at: { sha256: expect.any(String) } }, what: 'deleted' },
      { table_name: 'public.readings', key: KEY, what: 'deleted' },
    ]);
    await withPrivacy(async (privacy) => {
      const { actions } = await privacy.log({ model: 'Reading', id: JSON.stringify(KEY) }, 5);
      expect(actions.map(({ what }) => what)).toEqual(['hard-delete']);
      const logins = await privacy.log({ model: 'Login', id: '2026-05-01T10:00:00.5Z' }, 5);
      expect(logins.actions.map(({ what }) => what)).toEqual(['hard-delete']);
    });
  });

  it('are found by the trigger where a legal hold is on them', async () => {
    await withPrivacy((privacy) =>
      privacy.hold({ model: 'Reading', id: idOf('2026-05-03T10:00:00.123456Z') }, REQUEST),
    );
    await expect(
      query(
        url,
        `BEGIN; SELECT pgkeep_policy.open_action('hard-delete', 'dpo', 'letter'); DELETE FROM readings WHERE note = 'held'`,
      ),
    ).rejects.toMatchObject({
      code: 'PK006',
      message: 'pgkeep: DELETE of public.readings is refused: a legal hold keeps the row',
    });
  });

  it('are recorded by the application’s session as they are looked up', async () => {
    const client = new Client({ connectionString: url });
    await client.connect();
    const run = async ({ sql, values }: Statement) => (await client.query(sql, [...values])).rows;
    const rows: Rows = { model: 'Reading', where: `t.note = $1`, values: ['marked'] };
    await client.query('BEGIN');
    const [opened] = await run(openAction('soft-delete', { by: 'dpo', reason: 'letter' }));
    expect(await run(markPlan(graph, rows, opened.id, 'dpo'))).toMatchObject([{ rows: 1 }]);
    await client.query('COMMIT');
    expect(await ledgerOf('soft-delete')).toEqual([
      {
        table_name: 'public.readings',
        key: { ...KEY, at: '2026-05-02T10:00:00.123456+00:00' },
        what: 'marked',
      },
    ]);
    await client.query('BEGIN');
    const [again] = await run(openAction('restore-record', { by: 'dpo', reason: 'letter' }));
    expect(await run(restorePlan(graph, rows, again.id))).toMatchObject([{ rows: 1 }]);
    await client.query('ROLLBACK');
    await client.end();
  });

  it('are replayed, hashed ones too', async () => {
    const before = own.cluster.url('before');
    await withApp(
      before,
      async (app) => {
        expect(await app.get(ReplayService).replayHere({ from: 'current' })).toMatchObject({
          erasures: { actions: 3, deleted: 2, marked: 1 },
        });
      },
      environment,
    );
    const { rows } = await query(
      before,
      `SELECT (SELECT string_agg(note, ' ' ORDER BY at) FROM readings) AS readings, (SELECT string_agg(note, ' ') FROM logins) AS logins,
              (SELECT string_agg(note, ' ') FROM readings WHERE deleted_at IS NOT NULL) AS marked`,
    );
    expect(rows).toEqual([{ readings: 'marked held', logins: 'stays', marked: 'marked' }]);
  });
});
