import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createDatabase, query } from '../support/clinic.js';
import { PolicyApplication } from '../support/policy-application.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

jest.setTimeout(90_000);

/** Tables of every kind that a rule can meet. */
const SQL = `
  CREATE TABLE log (id int, day date, text text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
  CREATE TABLE log_2026 PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2027-01-01') PARTITION BY LIST (id);
  CREATE TABLE log_2026_1 PARTITION OF log_2026 FOR VALUES IN (1);
  CREATE TABLE log_2026_2 PARTITION OF log_2026 FOR VALUES IN (2);
  CREATE TABLE log_rest PARTITION OF log DEFAULT;
  INSERT INTO log VALUES (1, '2026-05-01', 'a'), (2, '2026-05-01', 'b'), (3, '2028-01-01', 'c');
  CREATE TABLE clinic_visit (id int, region text, note text, made_by text, changed timestamptz, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
  CREATE TABLE clinic_visit_north PARTITION OF clinic_visit FOR VALUES IN ('north');
  CREATE TABLE clinic_visit_rest PARTITION OF clinic_visit DEFAULT PARTITION BY RANGE (id);
  CREATE TABLE clinic_visit_low PARTITION OF clinic_visit_rest FOR VALUES FROM (0) TO (100);
  CREATE TABLE clinic_visit_high PARTITION OF clinic_visit_rest FOR VALUES FROM (100) TO (200);
  INSERT INTO clinic_visit VALUES (1, 'north', 'a', 'nurse'), (2, 'south', 'b', 'nurse');
  CREATE SCHEMA "Of Ours";
  CREATE COLLATION "Of Ours".any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
  CREATE TABLE "Of Ours".members (clinic text, "Nö ""1""" int, note text COLLATE "Of Ours".any_case, weight float8 DEFAULT 3.5, twice int GENERATED ALWAYS AS (1 + length(note)) STORED,
    changed timestamptz, fixed text, PRIMARY KEY (clinic, "Nö ""1"""));
  INSERT INTO "Of Ours".members (clinic, "Nö ""1""", note, fixed) VALUES ('north', 1, 'x', 'f');
  CREATE TABLE "NO KEY" (mail text NOT NULL UNIQUE, deleted_at timestamptz);
  INSERT INTO "NO KEY" VALUES ('siti@clinic.example');`;

const SCHEMA = `
/// @pgkeep.appendOnly
model parent {
  id Int @id
}
/// @pgkeep.neverDelete
/// @pgkeep.corrections
model Log {
  id   Int
  day  DateTime @db.Date
  text String
  @@id([id, day])
  @@map("log")
}
/// @pgkeep.corrections
model ClinicVisit {
  id      Int
  region  String
  note    String
  madeBy  String    @map("made_by") /// @pgkeep.immutable
  changed DateTime? @updatedAt
  @@id([id, region])
  @@map("clinic_visit")
}
/// @pgkeep.readOnly
model Weird {
  quote String @id @map("co\\"l'")
  @@map("tab le\\né")
  @@schema("we\\"ird")
}
/// @pgkeep.neverDelete
/// @pgkeep.corrections
model Member {
  clinic  String
  number  Int       @map("Nö \\"1\\"")
  note    String
  changed DateTime? @updatedAt
  fixed   String    /// @pgkeep.immutable
  @@id([clinic, number])
  @@map("members")
  @@schema("Of Ours")
}
model NoKey {
  mail      String    @unique /// @pgkeep.personal(email)
  deletedAt DateTime? @map("deleted_at")
  @@map("NO KEY")
}
`;

describe('the rules of tables of every kind', () => {
  let own: ThrowAwayCluster;
  let app: PolicyApplication;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    app = new PolicyApplication(await createDatabase(own, 'kinds'), SCHEMA);
    for (const statement of [readFileSync('test/support/awkward.sql', 'utf8'), SQL]) {
      await query(app.url, statement);
    }
    expect((await app.run(['install'])).code).toBe(0);
  });
  afterAll(() => own.cluster.destroy());

  const outcome = async (sql: string): Promise<string> =>
    await query(app.url, `BEGIN; ${sql}; ROLLBACK`).then(
      () => 'done',
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );

  it('are applied once', async () => {
    expect(await app.policy(['apply'])).toEqual({
      code: 0,
      stdout: `Applied the policy to database "kinds": 6 tables changed, 0 in force already.
  public.parent         append-only
  public.log            never deleted, corrections
  public.clinic_visit   corrections, immutable made_by
  "we""ird"."tab le\uFFFDé"  read-only                                    sealed: INSERT is refused from now on
  "Of Ours".members     never deleted, corrections, immutable fixed
  public."NO KEY"       soft delete
`,
      stderr: '',
    });
    expect((await app.policy(['apply'])).stdout).toBe(
      'Nothing to do: the rules of 6 tables are in force in database "kinds".\n',
    );
    expect((await app.policy(['show'])).code).toBe(0);
  });

  it.each([
    ['DELETE FROM log', 'pgkeep: DELETE of public.log is refused: its rows are never deleted'],
    ['DELETE FROM log_2026_1', 'pgkeep: DELETE of public.log is refused: its rows are never deleted'],
    ['TRUNCATE log', 'pgkeep: TRUNCATE of public.log is refused: its rows are never deleted'],
    ['TRUNCATE log_2026_2', 'pgkeep: TRUNCATE of public.log is refused: its rows are never deleted'],
    ['TRUNCATE log_rest', 'pgkeep: TRUNCATE of public.log is refused: its rows are never deleted'],
    [
      'SET LOCAL session_replication_role = replica; DELETE FROM log_2026_2',
      'pgkeep: DELETE of public.log is refused: its rows are never deleted',
    ],
    [
      `UPDATE log_2026_1 SET text = 'x'`,
      'pgkeep: UPDATE of public.log is refused: a correction needs a reason',
    ],
    // A row that moves to another partition leaves this one.
    [
      `UPDATE log SET day = '2029-01-01' WHERE id = 1`,
      'pgkeep: DELETE of public.log is refused: its rows are never deleted',
    ],
    [
      `CREATE TABLE log_2030 PARTITION OF log FOR VALUES FROM ('2030-01-01') TO ('2031-01-01'); INSERT INTO log VALUES (9, '2030-05-05'); SET LOCAL session_replication_role = replica; DELETE FROM log_2030`,
      'pgkeep: DELETE of public.log is refused: its rows are never deleted',
    ],
    ['DELETE FROM parent', 'pgkeep: DELETE of public.parent is refused: it is append-only'],
    ['DELETE FROM parent WHERE id > 1000', 'pgkeep: DELETE of public.child is refused: it is append-only'],
    ['DELETE FROM child', 'pgkeep: DELETE of public.child is refused: it is append-only'],
    ['TRUNCATE child', 'pgkeep: TRUNCATE of public.child is refused: it is append-only'],
    [`UPDATE child SET extra = 'x'`, 'pgkeep: UPDATE of public.child is refused: it is append-only'],
    [
      'DELETE FROM "we""ird"."tab le\né"',
      'pgkeep: DELETE of "we""ird"."tab le\né" is refused: it is read-only',
    ],
    [
      'INSERT INTO "we""ird"."tab le\né" DEFAULT VALUES',
      'pgkeep: INSERT of "we""ird"."tab le\né" is refused: it is read-only since it was seeded',
    ],
    [
      'DELETE FROM "Of Ours".members',
      'pgkeep: DELETE of "Of Ours".members is refused: its rows are never deleted',
    ],
    [
      `UPDATE "Of Ours".members SET note = 'yyy'`,
      'pgkeep: UPDATE of "Of Ours".members is refused: a correction needs a reason',
    ],
    [
      `SET LOCAL pgkeep.reason = 'why'; UPDATE "Of Ours".members SET fixed = 'other'`,
      'pgkeep: UPDATE of "Of Ours".members is refused: a column that never changes would change',
    ],
    ['UPDATE "Of Ours".members SET changed = now()', 'done'],
    ['DELETE FROM "NO KEY"', 'pgkeep: DELETE of public."NO KEY" is refused: its rows leave by soft delete'],
  ])('answer %s', async (sql, expected) => {
    expect(await outcome(sql)).toBe(expected);
  });

  it.each([
    [`UPDATE clinic_visit SET region = 'south' WHERE id = 1`],
    [`UPDATE clinic_visit SET id = 150 WHERE id = 2`],
    [`UPDATE clinic_visit_rest SET id = 150 WHERE id = 2`],
    [`UPDATE clinic_visit SET region = 'south', changed = now() WHERE id = 1`],
    [
      `MERGE INTO clinic_visit v USING (SELECT 1 AS id) s ON v.id = s.id WHEN MATCHED THEN UPDATE SET region = 'south'`,
    ],
    [`SET LOCAL session_replication_role = replica; UPDATE clinic_visit SET region = 'south' WHERE id = 1`],
    [
      `CREATE FUNCTION pg_temp.south() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.region := 'south'; RETURN NEW; END $$;
       CREATE TRIGGER zz BEFORE UPDATE ON clinic_visit FOR EACH ROW EXECUTE FUNCTION pg_temp.south(); UPDATE clinic_visit SET note = 'x' WHERE id = 1`,
    ],
  ])('want a reason for a row that moves to another partition: %s', async (sql) => {
    expect(await outcome(sql)).toBe(
      'pgkeep: UPDATE of public.clinic_visit is refused: a correction needs a reason',
    );
    expect(await outcome(`SET LOCAL pgkeep.reason = 'why'; ${sql}`)).toBe('done');
  });

  it('leave moves that PostgreSQL refuses to PostgreSQL, and delete rows that may be deleted', async () => {
    expect(await outcome(`UPDATE clinic_visit_north SET region = 'south'`)).toBe(
      'new row for relation "clinic_visit_north" violates partition constraint',
    );
    expect(
      await outcome(
        `INSERT INTO clinic_visit VALUES (1, 'north', 'a', 'nurse') ON CONFLICT (id, region) DO UPDATE SET region = 'south'`,
      ),
    ).toBe('invalid ON UPDATE specification');
    expect(await outcome('DELETE FROM clinic_visit')).toBe('done');
    expect(await outcome(`UPDATE clinic_visit SET changed = now(); DELETE FROM clinic_visit`)).toBe('done');
    expect(
      await outcome(
        `SET LOCAL pgkeep.reason = 'why'; UPDATE clinic_visit SET region = 'south', made_by = 'other' WHERE id = 1`,
      ),
    ).toBe('pgkeep: UPDATE of public.clinic_visit is refused: a column that never changes would change');
    await query(
      app.url,
      `BEGIN; SET LOCAL pgkeep.reason = 'why'; UPDATE clinic_visit SET region = 'south', note = 'z' WHERE id = 1; COMMIT`,
    );
    const { rows } = await query(app.url, `SELECT key, columns, reason FROM pgkeep.correction`);
    expect(rows).toEqual([{ key: { id: 1, region: 'north' }, columns: ['note', 'region'], reason: 'why' }]);
    await query(app.url, 'ALTER TABLE clinic_visit_low DISABLE TRIGGER pgkeep_policy_move');
    expect((await app.policy(['show'])).stdout).toContain('not complete on public.clinic_visit_low');
    expect((await app.policy(['apply'])).code).toBe(0);
  });

  it.each([
    [
      `UPDATE members SET note = 'X'`,
      'pgkeep: UPDATE of "Of Ours".members is refused: a correction needs a reason',
    ],
    [
      `SET extra_float_digits = -10; UPDATE members SET weight = weight + 1e-9`,
      'pgkeep: UPDATE of "Of Ours".members is refused: a correction needs a reason',
    ],
  ])('know a change that PostgreSQL calls equal: %s', async (sql, expected) => {
    expect(await outcome(`SET LOCAL search_path = "Of Ours"; ${sql}`)).toBe(expected);
  });

  it('record a correction by its complete key, and without generated columns', async () => {
    await query(
      app.url,
      `BEGIN; SET LOCAL pgkeep.reason = 'why'; UPDATE "Of Ours".members SET note = 'yyy'; COMMIT`,
    );
    const { rows } = await query(
      app.url,
      `SELECT table_name, key, columns FROM pgkeep.correction WHERE table_name LIKE '%members'`,
    );
    expect(rows).toEqual([
      { table_name: '"Of Ours".members', key: { clinic: 'north', 'Nö "1"': 1 }, columns: ['note'] },
    ]);
  });

  it('record a key that is personal itself as a salted hash', async () => {
    const erase = `SELECT pgkeep_policy.open_action('hard-delete', 'dpo', 'a letter')`;
    await query(app.url, `BEGIN; ${erase}; DELETE FROM "NO KEY"; COMMIT`);
    const { rows } = await query(
      app.url,
      `SELECT r.key, encode(sha256(s.salt || convert_to('public."NO KEY"' || '"siti@clinic.example"', 'UTF8')), 'hex') AS hash
         FROM pgkeep.privacy_row r, pgkeep.privacy_salt s`,
    );
    expect(rows).toEqual([
      { key: { mail: { sha256: rows[0].hash } }, hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    ]);
    await query(
      app.url,
      `BEGIN; SELECT pgkeep_policy.open_action('soft-delete', 'dpo', 'a letter');
       SELECT pgkeep_policy.record_rows(current_setting('pgkeep.action')::uuid, 'public."NO KEY"', '[{"mail": "siti@clinic.example"}]', 'marked'); COMMIT`,
    );
    const marked = await query(app.url, `SELECT key FROM pgkeep.privacy_row WHERE what = 'marked'`);
    expect(marked.rows).toEqual([{ key: rows[0].key }]);
  });

  it('report a partition made since, which the next apply covers', async () => {
    await query(
      app.url,
      `CREATE TABLE log_2031 PARTITION OF log FOR VALUES FROM ('2031-01-01') TO ('2032-01-01')`,
    );
    const shown = await app.policy(['show']);
    expect(shown.code).toBe(0);
    expect(shown.stdout).toContain(
      'TRUNCATE of the new partition public.log_2031 is not refused: `pgkeep policy apply`',
    );
    expect((await app.policy(['apply'])).stdout).toContain('1 table changed, 5 in force already.');
    expect(await outcome('TRUNCATE log_2031')).toBe(
      'pgkeep: TRUNCATE of public.log is refused: its rows are never deleted',
    );
    await query(app.url, 'ALTER TABLE log_2031 DISABLE TRIGGER ALL');
    expect((await app.policy(['show'])).stdout).toContain('not complete on public.log_2031');
    expect((await app.policy(['apply'])).code).toBe(0);
    expect((await app.policy(['show'])).code).toBe(0);
  });

  it('can be removed from a partitioned table, with its partitions', async () => {
    expect((await app.policy(['remove', 'Log', '--because', 'archived'])).code).toBe(0);
    expect(await outcome('TRUNCATE log_2026_1; DELETE FROM log')).toBe('done');
    expect((await app.policy(['apply'])).code).toBe(0);
    expect((await app.policy(['show'])).code).toBe(0);
  });
});
