import { mkdtempSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { AuditLogService } from '../../src/audit-log/audit-log.service.js';
import { InstallService } from '../../src/install/install.service.js';
import { PrivacyService } from '../../src/privacy/privacy.service.js';
import { withApp } from '../support/app.js';
import { createClinic, createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { applyRules, CLINIC_SCHEMA, rulesOf } from '../support/policy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { projectWith } from './schema-project.js';
import { AWKWARD_SCHEMA, AWKWARD_TABLES } from './awkward-people.js';

const REQUEST = { by: 'dpo', because: 'letter of 12 May' };

describe('PrivacyService', () => {
  let own: ThrowAwayCluster;
  let clinic: string;
  let awkward: string;
  const clinicProject = projectWith(readFileSync(CLINIC_SCHEMA, 'utf8'));
  const awkwardProject = projectWith(AWKWARD_SCHEMA);

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    const template = await createClinic(own, 'clinic_template', { seeded: true });
    await withApp(template, (app) => app.get(InstallService).install());
    await applyRules(template);
    const people = await createDatabase(own, 'awkward_template');
    await query(people, AWKWARD_TABLES);
    await withApp(people, (app) => app.get(InstallService).install());
    await applyRules(people, rulesOf(AWKWARD_SCHEMA));
  });
  afterAll(() => own.cluster.destroy());

  let number = 0;
  beforeEach(async () => {
    number += 1;
    clinic = await createDatabase(own, `clinic_${number}`, 'clinic_template');
    awkward = await createDatabase(own, `awkward_${number}`, 'awkward_template');
  });

  const withPrivacy = async <T>(
    work: (privacy: PrivacyService) => Promise<T>,
    environment: Record<string, string> = {},
  ): Promise<T> =>
    await withApp(clinic, (app) => work(app.get(PrivacyService)), {
      MIGRATIONS_DIR: clinicProject,
      ...environment,
    });
  const withAwkward = async <T>(work: (privacy: PrivacyService) => Promise<T>): Promise<T> =>
    await withApp(awkward, (app) => work(app.get(PrivacyService)), { MIGRATIONS_DIR: awkwardProject });

  const one = async (sql: string) => (await query(clinic, sql)).rows[0];
  /** A user with a parent who has children, and one without. */
  const family = () =>
    one(
      'SELECT p.user_id::text AS user, p.id AS parent, count(*)::int AS children FROM parents p JOIN children c ON c.parent_id = p.id WHERE p.deleted_at IS NULL GROUP BY p.id ORDER BY 3 DESC, p.id LIMIT 1',
    );
  const childless = () =>
    one(
      'SELECT p.user_id::text AS user FROM parents p WHERE NOT EXISTS (SELECT FROM children c WHERE c.parent_id = p.id) AND p.deleted_at IS NULL ORDER BY 1 LIMIT 1',
    );
  const nothingChanged = async () =>
    expect(await one('SELECT count(*)::int AS n FROM pgkeep.privacy_action')).toEqual({ n: 0 });

  it('erases a person, with a receipt, lines in the ledger and an entry in the audit log', async () => {
    const { user: id } = await childless();
    const before = await one('SELECT count(*)::int AS users FROM users');
    await withPrivacy(async (privacy) => {
      const receipt = await privacy.erase({ model: 'User', id }, REQUEST, {
        copies: async () => ({ value: { backups: 3, until: '2027-01-01T00:00:00.000Z', pinned: [] } }),
      });
      expect(receipt).toEqual({
        action: expect.stringMatching(/^[0-9a-f-]{36}$/),
        what: 'hard-delete',
        model: 'User',
        id,
        at: expect.any(String),
        by: 'dpo',
        rows: { User: 1, Parent: 1 },
        retained: [],
        referring: [],
        keptUntil: null,
        ledgerDigest: expect.stringMatching(/^[0-9a-f]{64}$/),
        copies: { value: { backups: 3, until: '2027-01-01T00:00:00.000Z', pinned: [] } },
      });
      await expect(privacy.erase({ model: 'User', id }, REQUEST)).rejects.toMatchObject({
        code: 'RECORD_NOT_FOUND',
        message: `User ${id} was not found. Nothing was changed.`,
        hint: 'Check the id; `pgkeep privacy log User ID` shows whether the record was erased.',
      });
      expect(await privacy.log({ model: 'User', id }, 10)).toEqual({
        total: 1,
        actions: [
          {
            action: receipt.action,
            what: 'hard-delete',
            at: receipt.at,
            by: 'dpo',
            role: 'postgres',
            rows: { 'deleted public.users': 1, 'deleted public.parents': 1 },
          },
        ],
      });
    });
    expect(await one('SELECT count(*)::int AS users FROM users')).toEqual({ users: before.users - 1 });
    const { entries } = await withApp(clinic, (app) => app.get(AuditLogService).list(1));
    expect(entries[0]).toMatchObject({
      action: 'hard-delete',
      subject: `clinic_${number}`,
      details: { model: 'User', rows: { User: 1, Parent: 1 } },
    });
    expect(JSON.stringify(entries)).not.toContain(`"${id}"`);
  });

  it('refuses to erase what rows that stay refer to, and names the way out', async () => {
    const { user: id, parent, children } = await family();
    await withPrivacy(async (privacy) => {
      await expect(privacy.erase({ model: 'User', id }, REQUEST)).rejects.toMatchObject({
        code: 'PRIVACY_REFUSED',
        message: `Refused to erase User ${id}: ${children} children refer to its parent ${parent}, and stay (medical record: kept 25 years). Nothing was changed.`,
        hint: `Anonymize it: \`pgkeep privacy anonymize User ${id} --by dpo --because 'letter of 12 May'\`.`,
      });
      await expect(privacy.erase({ model: 'Child', id: '7' }, REQUEST)).rejects.toMatchObject({
        message:
          'Refused to erase Child 7: rows of Child stay (medical record: kept 25 years). Nothing was changed.',
        hint: "Hide it from the application: `pgkeep privacy delete Child 7 --by dpo --because 'letter of 12 May'`.",
      });
      await expect(privacy.anonymize({ model: 'Child', id: '7' }, REQUEST)).rejects.toMatchObject({
        message:
          'Refused to anonymize Child 7: rows of Child stay (medical record: kept 25 years). Nothing was changed.',
      });
      await expect(privacy.erase({ model: 'District', id: '1' }, REQUEST)).rejects.toMatchObject({
        message: 'Refused to erase District 1: District is read-only. Nothing was changed.',
      });
      await expect(privacy.softDelete({ model: 'District', id: '1' }, REQUEST)).rejects.toMatchObject({
        message: 'Refused to delete District 1: District has no field deletedAt. Nothing was changed.',
      });
      await expect(privacy.anonymize({ model: 'District', id: '1' }, REQUEST)).rejects.toMatchObject({
        message:
          'Refused to anonymize District 1: no field of District is declared personal. Nothing was changed.',
      });
    });
    await nothingChanged();
  });

  it('anonymizes a person, and says what stays', async () => {
    const { user: id, children } = await family();
    await withPrivacy(async (privacy) => {
      const receipt = await privacy.anonymize({ model: 'User', id }, REQUEST);
      expect(receipt).toMatchObject({ rows: { User: 1, Parent: 1 }, copies: null });
      expect(receipt.retained[0]).toEqual({
        model: 'Child',
        rows: children,
        because: 'medical record: kept 25 years',
      });
      const again = await privacy.anonymize({ model: 'User', id }, REQUEST);
      expect(again.ledgerDigest).toBe(receipt.ledgerDigest);
    });
    expect(await one(`SELECT full_name, password_hash FROM users WHERE id = ${id}`)).toEqual({
      full_name: 'Erased',
      password_hash: '!',
    });
  });

  it('marks, restores, and does neither twice', async () => {
    const { user: id } = await family();
    const record = { model: 'User', id };
    await withPrivacy(async (privacy) => {
      await expect(privacy.restore(record, REQUEST)).rejects.toMatchObject({
        message: `Refused to restore User ${id}: it is not marked as deleted. Nothing was changed.`,
      });
      const receipt = await privacy.softDelete(record, REQUEST);
      expect(receipt).toMatchObject({ rows: { User: 1, Parent: 1 } });
      const day = 86_400_000;
      expect(new Date(receipt.keptUntil ?? '').getTime()).toBe(new Date(receipt.at).getTime() + 30 * day);
      expect(receipt.referring).toEqual([{ model: 'Child', rows: expect.any(Number), to: 'Parent' }]);
      await expect(privacy.softDelete(record, REQUEST)).rejects.toThrow(
        /^Refused to delete User \d+: it was marked as deleted already, at .*\. Nothing was changed\.$/,
      );
      expect(await privacy.restore(record, REQUEST)).toMatchObject({ rows: { User: 1, Parent: 1 } });
      await privacy.softDelete(record, REQUEST);
      await privacy.anonymize(record, REQUEST);
      await expect(privacy.restore(record, REQUEST)).rejects.toMatchObject({
        message: `Refused to restore User ${id}: its personal values were erased, and a restore would not bring them back. Nothing was changed.`,
      });
      // The reasons went with the person.
      const { rows } = await query(
        clinic,
        'SELECT DISTINCT action, reason FROM pgkeep.privacy_action ORDER BY 1',
      );
      expect(rows).toEqual([
        { action: 'anonymize', reason: 'letter of 12 May' },
        { action: 'restore-record', reason: null },
        { action: 'soft-delete', reason: null },
      ]);
    });
  });

  it('keeps what is held: the person, her rows, and those who belong to her', async () => {
    const { user: id, parent } = await family();
    const person = { model: 'User', id };
    await withPrivacy(async (privacy) => {
      const held = { model: 'User', id, held: true, until: '2099-03-31' };
      expect(await privacy.hold(person, REQUEST, '2099-03-31')).toEqual({ ...held, changed: true });
      expect(await privacy.hold(person, REQUEST, '2099-03-31')).toEqual({ ...held, changed: false });
      await expect(privacy.anonymize(person, REQUEST)).rejects.toMatchObject({
        code: 'RECORD_HELD',
        message: `Refused to anonymize User ${id}: a legal hold keeps it. Nothing was changed.`,
        hint: `When the hold has ended: \`pgkeep privacy release User ${id} --because TEXT\`.`,
      });
      await expect(privacy.anonymize({ model: 'Parent', id: String(parent) }, REQUEST)).rejects.toMatchObject(
        {
          message: `Refused to anonymize Parent ${parent}: a legal hold keeps User ${id}. Nothing was changed.`,
        },
      );
      // Hidden it may be.
      await privacy.softDelete(person, REQUEST);
      expect(await privacy.release(person, REQUEST)).toMatchObject({ changed: true, held: false });
      expect(await privacy.release(person, REQUEST)).toMatchObject({ changed: false, held: false });
      await privacy.anonymize(person, REQUEST);
      const { actions } = await privacy.log(person, 10);
      expect(actions.map(({ what }) => what)).toEqual(['hold', 'soft-delete', 'release', 'anonymize']);
    });
    const { rows } = await query(clinic, 'SELECT * FROM pgkeep.legal_hold');
    expect(rows).toEqual([]);
  });

  it('asks for the id once more in production', async () => {
    const { user: id } = await childless();
    await withPrivacy(
      async (privacy) => {
        await expect(privacy.erase({ model: 'User', id }, REQUEST, { confirm: '1' })).rejects.toMatchObject({
          code: 'PRIVACY_REFUSED',
          message: `Refused to erase User ${id}: this is production, and an erasure cannot be undone. Nothing was changed.`,
          hint: `Type the id when asked on a terminal, or add: \`--confirm ${id}\``,
        });
        await nothingChanged();
        expect(await privacy.erase({ model: 'User', id }, REQUEST, { confirm: id })).toMatchObject({
          rows: { User: 1, Parent: 1 },
        });
      },
      { NODE_ENV: 'production', BACKUP_RETENTION_DAYS: '7' },
    );
  });

  it('takes any nonsense as an id or a reason, and changes nothing', async () => {
    await withPrivacy(async (privacy) => {
      for (const [id, message] of [
        ['-1', 'User -1 was not found. Nothing was changed.'],
        [
          '2147483648',
          'User 2147483648 was not found: value "2147483648" is out of range for type integer. Nothing was changed.',
        ],
        [
          "'; DROP TABLE users; --",
          `User "'; DROP TABLE users; --" was not found: invalid input syntax for type integer: "'; DROP TABLE users; --". Nothing was changed.`,
        ],
        ['', 'User "" was not found: invalid input syntax for type integer: "". Nothing was changed.'],
        [
          'a\0b',
          'User "a\\u0000b" was not found: invalid byte sequence for encoding "UTF8": 0x00. Nothing was changed.',
        ],
      ]) {
        await expect(privacy.erase({ model: 'User', id: id ?? '' }, REQUEST)).rejects.toMatchObject({
          code: 'RECORD_NOT_FOUND',
          message,
        });
      }
      await expect(privacy.erase({ model: 'User', id: '9'.repeat(10_000) }, REQUEST)).rejects.toMatchObject({
        code: 'RECORD_NOT_FOUND',
      });
      await expect(privacy.erase({ model: 'Usr', id: '1' }, REQUEST)).rejects.toMatchObject({
        code: 'USAGE_INVALID',
        message: 'The Prisma schema has no model "Usr".',
        hint: 'Did you mean User?',
      });
      for (const because of ['', ' \n', 'x'.repeat(10_000), 'a\0b']) {
        await expect(
          privacy.erase({ model: 'User', id: '24' }, { by: 'dpo', because }),
        ).rejects.toMatchObject({
          code: 'USAGE_INVALID',
          message: '--because takes the reason: a text of at most 2,000 characters. Nothing was changed.',
        });
      }
    });
    await nothingChanged();
  });

  it('handles keys of several columns, and names with quotes, spaces and capitals', async () => {
    await withAwkward(async (privacy) => {
      await expect(privacy.erase({ model: 'Person', id: 'A' }, REQUEST)).rejects.toMatchObject({
        code: 'USAGE_INVALID',
        message: 'The key of Person is tenant, number: "A" does not fit.',
        hint: `Give the values in this order, with commas between, or a JSON object: '{"tenant":"…","number":"…"}'.`,
      });
      const id = `{"number": "9007199254740994", "tenant": "it's"}`;
      await query(awkward, `INSERT INTO visits VALUES (1, 'it''s', 9007199254740994)`);
      await expect(privacy.erase({ model: 'Person', id }, REQUEST)).rejects.toMatchObject({
        message: expect.stringContaining('1 visit refers to it, and stays. Nothing was changed.'),
      });
      await query(awkward, 'DELETE FROM visits');
      expect(await privacy.erase({ model: 'Person', id }, REQUEST)).toMatchObject({ rows: { Person: 1 } });
      expect(await privacy.anonymize({ model: 'Person', id: 'A,9007199254740993' }, REQUEST)).toMatchObject({
        rows: { Person: 1, Note: 7 },
      });
      expect((await privacy.log({ model: 'Person', id }, 5)).actions.map(({ what }) => what)).toEqual([
        'hard-delete',
      ]);
    });
  });

  it('says what PostgreSQL refuses, for a table that the Prisma schema does not have', async () => {
    const { user: id } = await childless();
    await query(
      clinic,
      `CREATE TABLE old_logins (user_id int REFERENCES users); INSERT INTO old_logins VALUES (${id})`,
    );
    await withPrivacy(async (privacy) => {
      await expect(privacy.erase({ model: 'User', id }, REQUEST)).rejects.toMatchObject({
        code: 'PRIVACY_REFUSED',
        message: `Refused to erase User ${id}: PostgreSQL refuses it: update or delete on table "users" violates foreign key constraint "old_logins_user_id_fkey" on table "old_logins"; DETAIL: Key (id)=(…) is still referenced from table "old_logins". Nothing was changed.`,
      });
      await query(clinic, 'DROP SCHEMA pgkeep_policy CASCADE');
      await expect(privacy.erase({ model: 'User', id }, REQUEST)).rejects.toMatchObject({
        code: 'NOT_INSTALLED',
        message: `Cannot erase User ${id}: schema "pgkeep_policy" does not exist. Nothing was changed.`,
        hint: 'Run `pgkeep install`, then `pgkeep policy apply`.',
      });
    });
    await nothingChanged();
  });

  it('says what a role lacks, and changes nothing', async () => {
    const { user: id } = await childless();
    await query(
      clinic,
      `CREATE ROLE clerk_${number} LOGIN PASSWORD 'x'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO clerk_${number}`,
    );
    const asClerk = changedUrl(clinic, { username: `clerk_${number}`, password: 'x' });
    await withApp(
      asClerk,
      async (app) => {
        await expect(app.get(PrivacyService).erase({ model: 'User', id }, REQUEST)).rejects.toMatchObject({
          code: 'DATABASE_PERMISSION_DENIED',
          message: expect.stringMatching(/^Cannot erase User \d+ in .*: permission denied for table users$/),
          hint: 'Give the role the grant that it lacks.',
        });
      },
      { MIGRATIONS_DIR: clinicProject },
    );
    await query(clinic, `ALTER DATABASE clinic_${number} SET default_transaction_read_only = on`);
    // Its own sessions override the default: what an administrator set against applications.
    await withPrivacy(async (privacy) => {
      expect(await privacy.softDelete({ model: 'User', id }, REQUEST)).toMatchObject({
        rows: { User: 1, Parent: 1 },
      });
    });
  });

  it('exports everything into files that only their owner can read', async () => {
    const { user: id, children } = await family();
    const directory = path.join(mkdtempSync(path.join(tmpdir(), 'pgkeep-export-')), 'new');
    await withPrivacy(async (privacy) => {
      await query(clinic, `UPDATE users SET full_name = '<b>"Ana" & co</b>' WHERE id = ${id}`);
      const report = await privacy.export({ model: 'User', id }, {}, { directory, page: true });
      expect(report).toMatchObject({
        file: path.join(directory, `User_${id}.json`),
        page: path.join(directory, `User_${id}.html`),
        omitted: ['User.passwordHash'],
        rows: { User: 1, Parent: 1, Child: children },
      });
      expect(readdirSync(directory).toSorted()).toEqual([`User_${id}.html`, `User_${id}.json`]);
      expect(statSync(report.file).mode & 0o777).toBe(0o600);
      const document = JSON.parse(readFileSync(report.file, 'utf8'));
      expect(Object.keys(document)).toEqual([
        'format',
        'subject',
        'exportedAt',
        'data',
        'madeBySubject',
        'retained',
        'omitted',
      ]);
      expect(document).toMatchObject({
        format: 'pgkeep-subject-export/1',
        subject: { model: 'User', id },
        data: { User: [{ fullName: '<b>"Ana" & co</b>' }] },
        madeBySubject: {},
      });
      expect(document.data.Child).toHaveLength(children);
      expect(document.data.User[0]).not.toHaveProperty('passwordHash');
      const page = readFileSync(report.page ?? '', 'utf8');
      expect(page).toContain('<dd dir="auto">&lt;b&gt;&quot;Ana&quot; &amp; co&lt;/b&gt;</dd>');
      expect(page).not.toContain('<b>');
      expect((await privacy.log({ model: 'User', id }, 1)).actions).toMatchObject([
        { what: 'export-data', rows: {} },
      ]);
      await expect(
        privacy.export({ model: 'User', id: '0' }, {}, { directory: `${directory}2`, page: false }),
      ).rejects.toMatchObject({
        code: 'RECORD_NOT_FOUND',
      });
      expect(readdirSync(path.dirname(directory))).toEqual(['new']);
    });
  });

  it('tries an anonymization of every table, and finds what would refuse it', async () => {
    await withPrivacy(async (privacy) => {
      expect(await privacy.tryAnonymization()).toEqual({
        tried: ['User', 'Parent', 'Child'],
        empty: [],
        findings: [],
      });
      await query(clinic, `ALTER TABLE parents ADD CONSTRAINT known_address CHECK (address LIKE '% %')`);
      const { tried, findings } = await privacy.tryAnonymization();
      expect(tried).toEqual(['User', 'Child']);
      expect(findings).toEqual([
        {
          path: expect.stringContaining('schema.prisma'),
          line: expect.any(Number),
          text: 'model Parent: PostgreSQL refuses the values that replace personal ones: new row for relation "parents" violates check constraint "known_address"; DETAIL: Failing row contains (…).',
        },
      ]);
    });
    await nothingChanged();
  });
});
