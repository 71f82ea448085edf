import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Environment } from '../../src/config/read-settings.js';
import { LedgerService } from '../../src/privacy/ledger/ledger.service.js';
import { backupDirectory } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { runCli } from '../support/pgkeep-process.js';
import { applyRules, rulesOf } from '../support/policy.js';
import { withService } from '../support/services.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { projectWith } from './schema-project.js';

/** The key of Login is personal itself: the ledger has its salted hash. */
const SCHEMA = `
/// @pgkeep.subject
model Person {
  id Int @id
  name String /// @pgkeep.personal(name)
  deletedAt DateTime? @map("deleted_at")
  @@map("persons")
}
/// @pgkeep.subject
model Login {
  mail String @id /// @pgkeep.personal(email)
  deletedAt DateTime? @map("deleted_at")
  @@map("logins")
}
`;

const TABLES = `
  CREATE TABLE persons (id int PRIMARY KEY, name text NOT NULL, deleted_at timestamp(3));
  INSERT INTO persons SELECT i, 'name ' || i FROM generate_series(1, 4) i;
  CREATE TABLE logins (mail text PRIMARY KEY, deleted_at timestamp(3));
  INSERT INTO logins VALUES ('siti@clinic.example'), ('rina@clinic.example')`;

describe('pgkeep privacy replay', () => {
  let own: ThrowAwayCluster;
  let environment: Environment;
  const project = projectWith(SCHEMA);

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    await query(await createDatabase(own, 'before_pgkeep'), TABLES);
  });
  afterAll(() => own.cluster.destroy());

  /** A database that was restored from a backup of before pgkeep: it has its own ledger, and another salt. */
  async function database(name: string): Promise<string> {
    const url = await createDatabase(own, name, 'before_pgkeep');
    expect((await runCli(['install'], { DATABASE_URL: url })).code).toBe(0);
    await applyRules(url, rulesOf(SCHEMA));
    return url;
  }

  const erase = async (url: string, what: string): Promise<unknown> =>
    await query(
      url,
      `BEGIN; SELECT pgkeep_policy.open_action('hard-delete', 'dpo', 'letter'); DELETE FROM ${what}; COMMIT`,
    );
  const replay = async (...argv: string[]) => await runCli(['privacy', 'replay', ...argv], environment);
  const people = async (url: string): Promise<unknown> =>
    (
      await query(
        url,
        `SELECT array_agg(id ORDER BY id) AS ids, (SELECT string_agg(mail, ' ') FROM logins) AS mails FROM persons`,
      )
    ).rows[0];

  it('takes copies with another salt only where that is accepted, and never hashed keys', async () => {
    let url = await database('site');
    environment = {
      NODE_ENV: 'test',
      DATABASE_URL: url,
      BACKUP_DIR: backupDirectory(),
      MIGRATIONS_DIR: project,
    };
    await erase(url, 'persons WHERE id = 1');
    await withService(LedgerService, environment, (ledger) => ledger.ship({}));
    await query(own.cluster.url('postgres'), 'DROP DATABASE site WITH (FORCE)');
    url = await database('site');
    const refused = await replay();
    expect(refused).toEqual({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(
        /^Nothing to erase again: the ledger of the database lacks no action\.\n {2}note: 1 erasure beside the backups is of a database with another salt \(([0-9a-f]{16})\), and was not replayed\. To take it for this database’s: `pgkeep privacy replay --accept-salt \1`\n$/,
      ),
    });
    expect(await people(url)).toMatchObject({ ids: [1, 2, 3, 4] });
    const [, salt = ''] = /\(([0-9a-f]{16})\)/.exec(refused.stdout) ?? [];
    expect((await replay('--accept-salt', '0123456789abcdef')).stdout).toContain('was not replayed');
    expect(await replay('--accept-salt', salt)).toEqual({
      code: 0,
      stderr: '',
      stdout: 'Erased again, as in 1 action that the database did not know: 1 row deleted.\n',
    });
    expect(await people(url)).toMatchObject({ ids: [2, 3, 4] });
    expect((await replay('--accept-salt', salt)).stdout).toBe(
      'Nothing to erase again: the ledger of the database lacks no action.\n',
    );

    await erase(url, `logins WHERE mail = 'siti@clinic.example'`);
    await withService(LedgerService, environment, (ledger) => ledger.ship({}));
    await query(own.cluster.url('postgres'), 'DROP DATABASE site WITH (FORCE)');
    url = await database('site');
    const { stdout } = await replay();
    const salts = /\(([0-9a-f]{16}), ([0-9a-f]{16})\)/.exec(stdout)?.slice(1) ?? [];
    expect(await replay('--accept-salt', salts.find((one) => one !== salt) ?? '')).toEqual({
      code: 3,
      stdout: '',
      stderr:
        'Refused to replay the erasures since the backup: keys of public.logins are hashed with a salt that the backup does not contain. Nothing was changed.\nRestore a backup that was made after `pgkeep policy apply`, or use `--without-erasures`.\n',
    });
    expect(await people(url)).toEqual({
      ids: [1, 2, 3, 4],
      mails: 'siti@clinic.example rina@clinic.example',
    });
  });

  it('reads the ledger of a database that was replaced, hashed keys too', async () => {
    const url = await database('now');
    await query(url, 'SELECT 1');
    const replaced = await createDatabase(own, 'replaced', 'now');
    await erase(replaced, `logins WHERE mail = 'rina@clinic.example'`);
    await erase(replaced, 'persons WHERE id = 4');
    environment = {
      NODE_ENV: 'test',
      DATABASE_URL: url,
      BACKUP_DIR: backupDirectory(),
      MIGRATIONS_DIR: project,
    };
    expect(await replay('--from', 'replaced')).toEqual({
      code: 0,
      stderr: '',
      stdout: 'Erased again, as in 2 actions that the database did not know: 2 rows deleted.\n',
    });
    expect(await people(url)).toEqual({ ids: [1, 2, 3], mails: 'siti@clinic.example' });
    const { rows } = await query(url, `SELECT details FROM pgkeep.change_log WHERE action = 'replay'`);
    expect(rows).toEqual([
      {
        details: {
          from: 'replaced',
          erasures: { actions: 2, deleted: 2, anonymized: 0, marked: 0, restored: 0 },
        },
      },
    ]);
    expect(await replay('--from', 'not there')).toMatchObject({ code: 1 });
    const other = await database('another_history');
    await erase(other, 'persons WHERE id = 2');
    expect(await replay('--from', 'another_history')).toMatchObject({ code: 0 });
    expect(await people(url)).toEqual({ ids: [1, 2, 3], mails: 'siti@clinic.example' });
  });
});
