import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { PrismaPg } from '@prisma/adapter-pg';
import { Client, type QueryResult } from 'pg';
import { propertyOf } from '../../src/core/errors.js';
import { PrismaClient } from '../../src/generated/prisma/client.js';
import { psqlTranscript } from '../support/backups.js';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { changedUrl } from '../support/guarded-database.js';
import { CLINIC_SCHEMA } from '../support/policy.js';
import { PolicyApplication } from '../support/policy-application.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

jest.setTimeout(90_000);

/** A refusal, completely. */
interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

const MARK =
  'Mark the row as deleted: prisma.softDelete.softDelete(model, id, by, reason), or set its deletedAt.';
const CHANGE = 'Put the change into a migration, and run pgkeep migrate deploy.';
const REASON =
  "Give the reason in the same transaction: prisma.$withReason({ reason, by }, (tx) => ...), or SELECT set_config('pgkeep.reason', 'why', true). At most 2000 characters.";

const refusal = (what: string, why: string, hint: string, code = 'PK004'): Refusal => ({
  code,
  message: `pgkeep: ${what} is refused: ${why}`,
  hint,
});

const NEVER = ['its rows are never deleted', MARK] as const;
const SOFT = ['its rows leave by soft delete', MARK] as const;
const APPEND = ['it is append-only', CHANGE] as const;
const READ = ['it is read-only', CHANGE] as const;
const WITH_REASON = ['a correction needs a reason', REASON, 'PK005'] as const;

/** The tables of seed 000: why a DELETE is refused; a change, and why it is refused, if it is. */
const TABLES = [
  { table: 'districts', remove: READ, change: 'name', update: WITH_REASON },
  { table: 'villages', remove: READ, change: 'name', update: WITH_REASON },
  { table: 'posyandus', remove: SOFT, change: 'name', update: undefined },
  { table: 'users', remove: SOFT, change: 'full_name', update: undefined },
  { table: 'parents', remove: SOFT, change: 'address', update: undefined },
  { table: 'children', remove: NEVER, change: 'full_name', update: WITH_REASON },
  { table: 'sessions', remove: NEVER, change: 'diagnosis', update: undefined },
  { table: 'session_quiz_steps', remove: APPEND, change: 'answer', update: APPEND },
  { table: 'who_growth_standards', remove: READ, change: 'sd_neg3', update: READ },
] as const;

describe('the rules of seed 000, in the database', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let nurse: string;
  /** A directory that the server may write to. */
  let copies: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster({ settings: { wal_level: 'logical' } });
    url = await createClinic(own, 'clinic', { seeded: true });
    // The clinic's own trigger refuses first, with another SQLSTATE.
    await dropReadOnly();
    const clinic = new PolicyApplication(url, readFileSync(CLINIC_SCHEMA, 'utf8'));
    expect((await clinic.run(['install'])).code).toBe(0);
    expect((await clinic.policy(['apply'])).code).toBe(0);
    await query(
      url,
      `CREATE ROLE nurse LOGIN PASSWORD 'pw'; GRANT ALL ON ALL TABLES IN SCHEMA public TO nurse;
       GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO nurse; GRANT USAGE, CREATE ON SCHEMA public TO nurse`,
    );
    nurse = changedUrl(url, { username: 'nurse', password: 'pw' });
    const { rows } = await query(url, `SELECT current_setting('data_directory') AS directory`);
    copies = String(rows[0]?.directory);
  });
  afterAll(() => own.cluster.destroy());

  /** Drops the triggers of the clinic's own migration, whatever they are called. */
  const dropReadOnly = async (): Promise<QueryResult> =>
    await query(
      url,
      `DO $$ DECLARE t record; BEGIN
         FOR t IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'who_growth_standards'::regclass AND NOT tgisinternal
         LOOP EXECUTE format('DROP TRIGGER %I ON who_growth_standards', t.tgname); END LOOP; END $$`,
    );

  /** What the statements come to, one after the other in a transaction that is rolled back: `done`, or the refusal. */
  async function attempt(as: string, ...statements: string[]): Promise<Refusal | 'done'> {
    const client = new Client({ connectionString: as });
    await client.connect();
    try {
      await client.query('BEGIN');
      for (const statement of statements) await client.query(statement);
      // Deferred constraints and triggers speak now.
      await client.query('SET CONSTRAINTS ALL IMMEDIATE');
      return 'done';
    } catch (error) {
      const text = (name: string): string => {
        const value = propertyOf(error, name);
        return typeof value === 'string' ? value : '';
      };
      return { code: text('code'), message: text('message'), hint: text('hint') };
    } finally {
      await client.query('ROLLBACK');
      await client.end();
    }
  }

  describe.each(TABLES)('$table', ({ table, remove: [why, hint], change, update }) => {
    const deleted = refusal(`DELETE of public.${table}`, why, hint);
    const emptied = refusal(`TRUNCATE of public.${table}`, why, CHANGE);

    it.each([
      ['a plain DELETE', [`DELETE FROM ${table}`]],
      ['one row', [`DELETE FROM ${table} WHERE id = (SELECT min(id) FROM ${table})`]],
      ['a CTE', [`WITH gone AS (DELETE FROM ${table} RETURNING id) SELECT count(*) FROM gone`]],
      ['DO', [`DO $$ BEGIN DELETE FROM ${table}; END $$`]],
      [
        'a function',
        [
          `CREATE FUNCTION pg_temp.f() RETURNS void LANGUAGE sql AS 'DELETE FROM public.${table}'`,
          'SELECT pg_temp.f()',
        ],
      ],
      [
        'MERGE',
        [
          `MERGE INTO ${table} t USING (SELECT id FROM ${table} LIMIT 1) s ON t.id = s.id WHEN MATCHED THEN DELETE`,
        ],
      ],
      ['DELETE … USING', [`DELETE FROM ${table} t USING ${table} s WHERE s.id = t.id`]],
      [
        'a cursor',
        [
          `DECLARE c CURSOR FOR SELECT * FROM ${table} FOR UPDATE`,
          'FETCH c',
          `DELETE FROM ${table} WHERE CURRENT OF c`,
        ],
      ],
      ['the setting of a deploy alone', [`SET LOCAL pgkeep.deploy = 'on'`, `DELETE FROM ${table}`]],
      [
        'an action that was never opened',
        [`SET LOCAL pgkeep.action = '00000000-0000-4000-8000-000000000000'`, `DELETE FROM ${table}`],
      ],
      ['a setting that is no action', [`SET LOCAL pgkeep.action = ''' OR true --'`, `DELETE FROM ${table}`]],
    ])('refuses %s, to its owner and to a role with every right', async (_way, statements) => {
      expect(await attempt(url, ...statements)).toEqual(deleted);
      expect(await attempt(nurse, ...statements)).toEqual(deleted);
    });

    it('refuses both to a superuser with session_replication_role = replica', async () => {
      const replica = 'SET LOCAL session_replication_role = replica';
      expect(await attempt(url, replica, `DELETE FROM ${table}`)).toEqual(deleted);
      expect(await attempt(url, replica, `TRUNCATE ${table} CASCADE`)).toEqual(emptied);
    });

    it('refuses TRUNCATE', async () => {
      expect(await attempt(url, `TRUNCATE ${table} CASCADE`)).toEqual(emptied);
      expect(await attempt(nurse, `TRUNCATE ${table} CASCADE`)).toEqual(emptied);
    });

    it('refuses an erasure, unless its rows leave by soft delete', async () => {
      const opened = `SELECT pgkeep_policy.open_action('hard-delete', 'dpo', 'a letter')`;
      const outcome = await attempt(
        nurse,
        opened,
        `DELETE FROM ${table} WHERE id = (SELECT max(id) FROM ${table})`,
      );
      // Of a soft-deleted table only the foreign keys still refuse.
      const byKey = ['23503', '23001'].map((code): unknown => expect.objectContaining({ code }));
      expect(why === SOFT[0] ? ['done', ...byKey] : [deleted]).toContainEqual(outcome);
    });

    it(`${update ? 'refuses' : 'allows'} an UPDATE`, async () => {
      const value = change === 'sd_neg3' ? 'sd_neg3 + 1' : `'changed'`;
      const ways = [
        `UPDATE ${table} SET ${change} = ${value}`,
        `WITH changed AS (UPDATE ${table} SET ${change} = ${value} RETURNING id) SELECT count(*) FROM changed`,
        `MERGE INTO ${table} t USING (SELECT id FROM ${table} LIMIT 1) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET ${change} = ${change === 'sd_neg3' ? 't.sd_neg3 + 1' : value}`,
        `INSERT INTO ${table} SELECT * FROM ${table} LIMIT 1 ON CONFLICT (id) DO UPDATE SET ${change} = ${change === 'sd_neg3' ? 'excluded.sd_neg3 + 1' : value}`,
      ];
      const refused = update && refusal(`UPDATE of public.${table}`, update[0], update[1], update[2]);
      // One row of posyandus: the names of a village's posts are unique.
      for (const way of table === 'posyandus' ? ways.slice(2) : ways) {
        expect(await attempt(nurse, way)).toEqual(refused ?? 'done');
      }
      const nothing = await attempt(nurse, `UPDATE ${table} SET ${change} = ${change}`);
      expect(nothing).toBe('done');
    });
  });

  it.each(['districts', 'villages', 'who_growth_standards'])(
    'refuses new rows of %s, which was seeded',
    async (table) => {
      const refused = refusal(`INSERT of public.${table}`, 'it is read-only since it was seeded', CHANGE);
      const columns = (
        await query(
          url,
          `SELECT string_agg(quote_ident(attname), ', ') AS names FROM pg_attribute WHERE attrelid = '${table}'::regclass AND attnum > 1 AND attname NOT IN ('code', 'age_months')`,
        )
      ).rows[0].names;
      const key = table === 'who_growth_standards' ? 'age_months' : 'code';
      const value = key === 'code' ? `'zz'` : '999';
      const insert = `INSERT INTO ${table} (${key}, ${columns}) SELECT ${value}, ${columns} FROM ${table} LIMIT 1`;
      expect(await attempt(nurse, insert)).toEqual(refused);
      expect(await attempt(nurse, `${insert} ON CONFLICT DO NOTHING`)).toEqual(refused);
      expect(
        await attempt(
          nurse,
          `MERGE INTO ${table} t USING (SELECT 1) s ON false WHEN NOT MATCHED THEN INSERT (${key}, ${columns}) VALUES (${value}, ${columns
            .split(', ')
            .map((name: string) => `(SELECT ${name} FROM ${table} LIMIT 1)`)
            .join(', ')})`,
        ),
      ).toEqual(refused);
      expect(
        await attempt(
          url,
          `COPY (SELECT ${value}, ${columns} FROM ${table} LIMIT 1) TO '${copies}/${table}.copy'`,
          `COPY ${table} (${key}, ${columns}) FROM '${copies}/${table}.copy'`,
        ),
      ).toEqual(refused);
      // A seed that runs again inserts nothing.
      expect(await attempt(nurse, `INSERT INTO ${table} SELECT * FROM ${table} ON CONFLICT DO NOTHING`)).toBe(
        'done',
      );
      // Nor does one that writes the same values again.
      const again = `INSERT INTO ${table} SELECT * FROM ${table} ON CONFLICT (id) DO UPDATE SET created_at = excluded.created_at`;
      expect(await attempt(nurse, again)).toBe('done');
    },
  );

  it('shows psql one line of context', async () => {
    expect(await psqlTranscript('DELETE FROM children WHERE id = 7;', url)).toBe(
      `ERROR:  pgkeep: DELETE of public.children is refused: its rows are never deleted
HINT:  ${MARK}
CONTEXT:  PL/pgSQL function pgkeep_policy.on_delete() line 24 at RAISE
`,
    );
    expect(await psqlTranscript(`UPDATE children SET full_name = 'x' WHERE id = 7;`, url)).toBe(
      `ERROR:  pgkeep: UPDATE of public.children is refused: a correction needs a reason
HINT:  ${REASON}
CONTEXT:  PL/pgSQL function pgkeep_policy.on_update() line 35 at RAISE
`,
    );
  });

  it('refuses what Prisma sends, with the text', async () => {
    const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) });
    try {
      for (const { table, remove } of TABLES) {
        await expect(prisma.$executeRawUnsafe(`DELETE FROM ${table}`)).rejects.toThrow(
          `pgkeep: DELETE of public.${table} is refused: ${remove[0]}`,
        );
      }
      await expect(prisma.$executeRaw`TRUNCATE TABLE children CASCADE`).rejects.toThrow(
        'pgkeep: TRUNCATE of public.children is refused: its rows are never deleted',
      );
    } finally {
      await prisma.$disconnect();
    }
  });

  it('lets a correction with a reason pass, and records who, why and which columns, no values', async () => {
    await query(
      nurse,
      `BEGIN; SELECT set_config('pgkeep.reason', ' name misspelled in the register ', true), set_config('pgkeep.actor', 'nurse 12', true);
       UPDATE children SET full_name = 'Corrected', updated_at = now() WHERE id = 7; COMMIT`,
    );
    const { rows } = await query(
      url,
      'SELECT table_name, key, columns, actor, reason, role FROM pgkeep.correction',
    );
    expect(rows).toEqual([
      {
        table_name: 'public.children',
        key: { id: 7 },
        columns: ['full_name', 'updated_at'],
        actor: 'nurse 12',
        reason: 'name misspelled in the register',
        role: 'nurse',
      },
    ]);
    const long = `SELECT set_config('pgkeep.reason', repeat('x', 2001), true)`;
    const update = `UPDATE children SET full_name = 'x' WHERE id = 7`;
    expect(await attempt(nurse, long, update)).toEqual(refusal('UPDATE of public.children', ...WITH_REASON));
    expect(await attempt(nurse, `SELECT set_config('pgkeep.reason', '   ', true)`, update)).toEqual(
      refusal('UPDATE of public.children', ...WITH_REASON),
    );
    // A soft delete of a child is no correction.
    expect(
      await attempt(nurse, `UPDATE children SET deleted_at = now(), deleted_by = 'x' WHERE id = 7`),
    ).toBe('done');
  });

  it('is not bypassed by a trigger of the application that changes the row later', async () => {
    expect(
      await attempt(
        url,
        `CREATE FUNCTION sneaky() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.full_name := 'sneaky'; RETURN NEW; END $$`,
        'CREATE TRIGGER zz_sneaky BEFORE UPDATE ON children FOR EACH ROW EXECUTE FUNCTION sneaky()',
        `UPDATE children SET deleted_by = 'x' WHERE id = 7`,
      ),
    ).toEqual(refusal('UPDATE of public.children', ...WITH_REASON));
  });

  it('refuses a cascade from a parent, and a foreign key that would set a column to NULL', async () => {
    const rule = (table: string, name: string): string =>
      `CREATE TRIGGER pgkeep_policy_${name} ${name === 'delete' ? 'BEFORE DELETE' : 'AFTER UPDATE'} ON ${table} FOR EACH ROW EXECUTE FUNCTION pgkeep_policy.on_${name}('append', '{id}', '{}', '{}', '{}')`;
    const tables = (action: string): string[] => [
      'CREATE TABLE above (id int PRIMARY KEY)',
      `CREATE TABLE below (id int PRIMARY KEY, above_id int REFERENCES above ON DELETE ${action})`,
      rule('below', 'delete'),
      rule('below', 'update'),
      'INSERT INTO above VALUES (1); INSERT INTO below VALUES (1, 1)',
      'DELETE FROM above',
    ];
    expect(await attempt(url, ...tables('CASCADE'))).toEqual(refusal('DELETE of public.below', ...APPEND));
    expect(await attempt(url, ...tables('SET NULL'))).toEqual(refusal('UPDATE of public.below', ...APPEND));
    // users -> parents is the clinic's own cascade: both leave by soft delete, and an erasure writes a line for each.
    const leaf = `(SELECT user_id FROM parents p WHERE NOT EXISTS (SELECT FROM children WHERE parent_id = p.id) LIMIT 1)`;
    await query(
      nurse,
      `BEGIN; SELECT pgkeep_policy.open_action('hard-delete', 'dpo', 'letter of 12 May'); DELETE FROM users WHERE id = ${leaf}; COMMIT`,
    );
    const { rows } = await query(
      url,
      'SELECT a.action, a.actor, a.reason, a.role, r.table_name, r.what FROM pgkeep.privacy_action a JOIN pgkeep.privacy_row r ON r.action_id = a.id ORDER BY r.table_name',
    );
    const line = {
      action: 'hard-delete',
      actor: 'dpo',
      reason: 'letter of 12 May',
      role: 'nurse',
      what: 'deleted',
    };
    expect(rows).toEqual([
      { ...line, table_name: 'public.parents' },
      { ...line, table_name: 'public.users' },
    ]);
  });

  it('opens nothing by an action of another transaction, nor of a restored database', async () => {
    const refused = refusal('DELETE of public.users', ...SOFT);
    const { rows } = await query(
      nurse,
      `SELECT pgkeep_policy.open_action('hard-delete', 'dpo', 'earlier') AS id`,
    );
    const id = String(rows[0].id);
    expect(
      await attempt(nurse, `SELECT set_config('pgkeep.action', '${id}', true)`, 'DELETE FROM users'),
    ).toEqual(refused);
    // A restored database numbers its transactions from the start: an old action has the number of a new one.
    expect(
      await attempt(
        url,
        `INSERT INTO pgkeep.privacy_action (id, action, opened_at) VALUES ('11111111-1111-4111-8111-111111111111', 'hard-delete', now() - interval '1 day')`,
        `SELECT set_config('pgkeep.action', '11111111-1111-4111-8111-111111111111', true)`,
        'DELETE FROM users',
      ),
    ).toEqual(refused);
    // Nor by a line that another role writes, and the ledger takes none back.
    expect(
      await attempt(nurse, `INSERT INTO pgkeep.privacy_action (action) VALUES ('hard-delete')`),
    ).toMatchObject({
      code: '42501',
    });
    expect(await attempt(url, 'DELETE FROM pgkeep.privacy_action')).toMatchObject({ code: 'PK001' });
  });

  it('keeps a row that a legal hold names, and erases it again in a replay', async () => {
    const leaf = `SELECT user_id AS id FROM parents p WHERE NOT EXISTS (SELECT FROM children WHERE parent_id = p.id) LIMIT 1`;
    const { rows } = await query(url, leaf);
    const hold = `INSERT INTO pgkeep.legal_hold (table_name, key, because, held_by) VALUES ('public.users', '{"id": ${rows[0].id}}', 'court', 'dpo')`;
    const erase = `DELETE FROM users WHERE id = ${rows[0].id}`;
    const open = (action: string): string =>
      `SELECT pgkeep_policy.open_action('${action}', 'dpo', 'a letter')`;
    expect(await attempt(url, hold, open('hard-delete'), erase)).toEqual(
      refusal(
        'DELETE of public.users',
        'a legal hold keeps the row',
        'Release it first: pgkeep privacy release MODEL ID --by WHO --because TEXT.',
        'PK006',
      ),
    );
    expect(await attempt(url, hold, open('replay'), erase)).toBe('done');
    const child = `INSERT INTO pgkeep.legal_hold (table_name, key, because, held_by) VALUES ('public.children', '{"id": 7}', 'court', 'dpo')`;
    const anonymize = `UPDATE children SET full_name = 'erased' WHERE id = 7`;
    expect(await attempt(url, child, open('anonymize'), anonymize)).toMatchObject({ code: 'PK006' });
  });

  it('writes a ledger line where an anonymization changes a row that has a rule', async () => {
    const client = new Client({ connectionString: nurse });
    await client.connect();
    await client.query(`BEGIN; SELECT pgkeep_policy.open_action('anonymize', 'dpo', 'a letter')`);
    await client.query(`UPDATE children SET full_name = 'erased' WHERE id = 8`);
    await client.query('COMMIT');
    await client.end();
    const { rows } = await query(
      url,
      `SELECT table_name, key FROM pgkeep.privacy_row WHERE what = 'anonymized'`,
    );
    expect(rows).toEqual([{ table_name: 'public.children', key: { id: 8 } }]);
  });

  it('records rows for a role that may update them, in its own action only', async () => {
    const open = `SELECT pgkeep_policy.open_action('soft-delete', 'nurse 12', 'moved')`;
    const record = (what: string, table = 'public.users'): string =>
      `SELECT pgkeep_policy.record_rows(current_setting('pgkeep.action')::uuid, '${table}', '[{"id": 3}]', '${what}')`;
    expect(await attempt(nurse, open, record('marked'))).toBe('done');
    expect(await attempt(nurse, open, record('deleted'))).toEqual({
      code: 'PK004',
      message: 'pgkeep: recording rows of public.users is refused: no action was opened in this transaction',
      hint: 'Call pgkeep_policy.open_action(action, actor, reason) in the same transaction.',
    });
    await query(url, `CREATE ROLE visitor LOGIN PASSWORD 'pw'`);
    const visitor = changedUrl(url, { username: 'visitor', password: 'pw' });
    expect(await attempt(visitor, open, record('anonymized'))).toEqual({
      code: '42501',
      message: 'pgkeep: recording rows of public.users is refused: role "visitor" may not update them',
      hint: '',
    });
  });

  it('lets a recorded deploy pass', async () => {
    const copy = await createDatabase(own, 'deployed', 'clinic');
    const deployed = new DeployedApplication(copy).add(
      '20270101000000_correction',
      `DELETE FROM session_quiz_steps WHERE id = 1;
       UPDATE who_growth_standards SET median = 1 WHERE id = 1;
       INSERT INTO districts (code, name) VALUES ('zz', 'new');
       UPDATE children SET full_name = 'x' WHERE id = 1;
       ALTER TABLE children ADD COLUMN note text;`,
    );
    expect(await deployed.quickly()).toMatchObject({ code: 0 });
    const { rows } = await query(copy, 'SELECT count(*)::int AS n FROM session_quiz_steps WHERE id = 1');
    expect(rows).toEqual([{ n: 0 }]);
    await expect(query(copy, 'DELETE FROM session_quiz_steps')).rejects.toThrow('it is append-only');
  });

  it('stops no change of the structure', async () => {
    expect(
      await attempt(
        url,
        'ALTER TABLE sessions DROP COLUMN diagnosis',
        'ALTER TABLE children ALTER COLUMN full_name TYPE text',
        `ALTER TABLE children ADD COLUMN note text NOT NULL DEFAULT ''`,
        'ALTER TABLE children DROP COLUMN full_name CASCADE',
        'ALTER TABLE users RENAME COLUMN phone TO telephone',
      ),
    ).toBe('done');
    // A renamed key fails closed until the next apply.
    const opened = `SELECT pgkeep_policy.open_action('hard-delete', 'dpo', 'a letter')`;
    expect(
      await attempt(url, 'ALTER TABLE users RENAME COLUMN id TO no', opened, 'DELETE FROM users'),
    ).toEqual({
      code: 'PK004',
      message: 'pgkeep: the key of public.users changed since its rules were applied',
      hint: 'Run pgkeep policy apply.',
    });
  });

  it('lets a subscription do what its publisher did, also where an ordinary role owns the functions', async () => {
    const publisher = await createDatabase(own, 'publisher');
    const tables = 'CREATE TABLE notes (id int PRIMARY KEY, text text)';
    await query(
      publisher,
      `${tables}; INSERT INTO notes VALUES (1, 'a'), (2, 'b'); CREATE PUBLICATION everything FOR TABLE notes`,
    );
    await query(publisher, `SELECT pg_create_logical_replication_slot('notes', 'pgoutput')`);
    const subscriber = await createDatabase(own, 'subscriber');
    await query(subscriber, `ALTER DATABASE subscriber OWNER TO nurse; GRANT ALL ON SCHEMA public TO nurse`);
    const owner = changedUrl(subscriber, { username: 'nurse', password: 'pw' });
    await query(owner, `${tables}; INSERT INTO notes VALUES (1, 'a')`);
    const app = new PolicyApplication(owner, '/// @pgkeep.readOnly\nmodel notes {\n  id Int @id\n}\n');
    expect((await app.run(['install'])).code).toBe(0);
    expect((await app.policy(['apply'])).code).toBe(0);
    const { port, username, password } = new URL(publisher);
    await query(
      subscriber,
      `CREATE SUBSCRIPTION ours CONNECTION 'host=127.0.0.1 port=${port} dbname=publisher user=${username} password=${password}'
         PUBLICATION everything WITH (create_slot = false, slot_name = 'notes', copy_data = false)`,
    );
    await query(publisher, `UPDATE notes SET text = 'c' WHERE id = 1`);
    await query(publisher, `INSERT INTO notes VALUES (3, 'd'); DELETE FROM notes WHERE id = 1`);
    await until(
      async () => (await query(subscriber, 'SELECT FROM notes WHERE id = 3')).rowCount === 1,
      20_000,
      'the row of the publisher',
    );
    expect((await query(subscriber, 'SELECT id FROM notes')).rows).toEqual([{ id: 3 }]);
    await expect(query(subscriber, 'DELETE FROM notes')).rejects.toThrow('it is read-only');
    await query(subscriber, 'ALTER SUBSCRIPTION ours DISABLE');
    await query(subscriber, 'ALTER SUBSCRIPTION ours SET (slot_name = NONE)');
    await query(subscriber, 'DROP SUBSCRIPTION ours');
    await query(publisher, `SELECT pg_drop_replication_slot('notes')`);
  });
});
