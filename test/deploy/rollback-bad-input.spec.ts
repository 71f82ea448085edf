import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

// Each test starts programs, several of them.
jest.setTimeout(90_000);

const FIRST = '20990101000000_first';
const SECOND = '20990102000000_second';
const THIRD = '20990103000000_third';
const FILE = `prisma/migrations/${SECOND}/down.sql`;

describe('a rollback that gets bad input', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  /** Table a with one row, and a second migration that adds column b. */
  const application = async (name: string, down?: string): Promise<DeployedApplication> => {
    const made = new DeployedApplication(await createDatabase(own, name), { clinic: false });
    made.add(FIRST, 'CREATE TABLE a (id INT);\nINSERT INTO a VALUES (1);\n', 'DROP TABLE a;\n');
    made.add(SECOND, 'ALTER TABLE a ADD COLUMN b INT;\n', down);
    expect((await made.quickly()).code).toBe(0);
    return made;
  };
  const rollback = async (made: DeployedApplication, ...argv: string[]) => {
    const { code, stderr } = await made.migrate(['rollback', '--without-backup', ...argv]);
    return `${code} ${stderr.slice(stderr.search(/^(?:Refused|The rollback) /m))}`;
  };
  const refusal = (why: string, hint: string): string =>
    `3 Refused to roll back: ${why}. Nothing was touched.\n${hint}\n`;
  const columns = async (url: string): Promise<string[]> => {
    const { rows } = await query(
      url,
      `SELECT attname AS name FROM pg_attribute WHERE attrelid = to_regclass('a') AND attnum > 0 AND NOT attisdropped`,
    );
    return rows.map(({ name }) => String(name));
  };

  it('no down.sql: names the next command', async () => {
    const made = await application('none');
    expect(await rollback(made)).toBe(
      refusal(
        `migration ${SECOND} has no down.sql`,
        `Generate it on a development database, review it, and commit it:\n  npx pgkeep migrate create --down-for ${SECOND}`,
      ),
    );
  });

  it.each([
    [
      'an empty one',
      '-- nothing yet\n',
      `${FILE} contains no statement, so it would undo nothing`,
      'Write the SQL that undoes the migration. If there is nothing to undo: SELECT 1;',
    ],
    [
      'a syntax error',
      'SELECT 1;\nALTER TABEL a DROP COLUMN b;\n',
      `${FILE}:2:7 cannot be run: PostgreSQL refuses this: syntax error at or near "TABEL"`,
      'Fix the file.',
    ],
    [
      'not UTF-8',
      Buffer.from([0x2d, 0x2d, 0xff, 0xfe]),
      `${FILE}:1:1 cannot be run: The file is not UTF-8. PostgreSQL refuses it`,
      'Fix the file.',
    ],
    [
      'CONCURRENTLY',
      'SELECT 1;\nDROP INDEX CONCURRENTLY i;\n',
      `${FILE}:2:1 (DROP INDEX CONCURRENTLY i;) cannot run in a transaction, or begins or ends one; a rollback runs as one transaction`,
      'Remove CONCURRENTLY, BEGIN and COMMIT. MIGRATIONS_LOCK_TIMEOUT limits how long it waits for locks.',
    ],
    [
      'its own transaction',
      'BEGIN;\nALTER TABLE a DROP COLUMN b;\nCOMMIT;\n',
      `${FILE}:1:1 (BEGIN;) cannot run in a transaction, or begins or ends one; a rollback runs as one transaction`,
      'Remove CONCURRENTLY, BEGIN and COMMIT. MIGRATIONS_LOCK_TIMEOUT limits how long it waits for locks.',
    ],
    [
      'the schema of the history',
      'DROP SCHEMA public CASCADE;\n',
      `${FILE} drops schema public, which contains the migration history`,
      'Drop the objects that the migration created, one by one.',
    ],
  ])('%s', async (what, down, why, hint) => {
    const made = await application(`down ${what}`, 'SELECT 1;');
    writeFileSync(path.join(made.migrations, SECOND, 'down.sql'), down);
    const reported = await rollback(made);
    expect(what === 'not UTF-8' ? reported.replace(/not UTF-8[^.]*/, 'not UTF-8') : reported).toBe(
      refusal(why, hint),
    );
  });

  it('a failed statement: names it, the state and the next command', async () => {
    const made = await application('fails', '-- é\nALTER TABLE a DROP COLUMN b;\nDROP TABLE "no_such";\n');
    await query(made.url, 'UPDATE a SET b = 7');
    const { code, stderr } = await made.migrate(['rollback', '--lose', 'a.b']);
    expect(
      stderr.slice(stderr.indexOf('The rollback')).replace(/fails_test_\d{8}_\d{6}/, 'fails_test_TIME'),
    ).toBe(
      `The rollback of ${SECOND} failed at statement 2 of 2, ${FILE}:3:1
  DROP TABLE "no_such";
PostgreSQL reported: table "no_such" does not exist (42P01)
Nothing was changed: PostgreSQL discarded the rollback, and the migration is still applied.
Backup made before the rollback: fails_test_TIME.
Fix ${FILE}, then:
  npx pgkeep migrate rollback ${SECOND} --lose public.a.b
`,
    );
    expect(code).toBe(1);
    expect(await columns(made.url)).toEqual(['id', 'b']);
    const { rows } = await query(
      made.url,
      `SELECT finished_at IS NOT NULL AS finished, rolled_back_at, logs FROM _prisma_migrations WHERE migration_name = '${SECOND}'`,
    );
    expect(rows).toEqual([{ finished: true, rolled_back_at: null, logs: null }]);
  });

  it('a runtime error in a block: no value of a row is shown', async () => {
    const made = await application(
      'data',
      `ALTER TABLE a DROP COLUMN b;\nALTER TABLE a ADD CONSTRAINT none CHECK (id <> 1);\n`,
    );
    expect(await rollback(made)).toBe(
      `1 The rollback of ${SECOND} failed at statement 2 of 2, ${FILE}:2:1
  ALTER TABLE a ADD CONSTRAINT none CHECK (id <> 1);
PostgreSQL reported: check constraint "none" of relation "a" is violated by some row (23514)
Nothing was changed: PostgreSQL discarded the rollback, and the migration is still applied.
Fix ${FILE}, then:
  npx pgkeep migrate rollback ${SECOND}
`,
    );
  });

  it('a migration that is not the newest, not applied, or already rolled back', async () => {
    const made = await application('names', 'ALTER TABLE a DROP COLUMN b;\n');
    made.add(THIRD, 'CREATE TABLE c (id INT);\n', 'DROP TABLE c;\n');
    expect((await made.quickly()).code).toBe(0);
    expect(await rollback(made, FIRST)).toBe(
      refusal(
        `migration ${FIRST} is not the newest: ${SECOND}, ${THIRD} were applied after it`,
        `Roll back the newest first: \`npx pgkeep migrate rollback ${THIRD}\``,
      ),
    );
    expect(await rollback(made, 'nonsense')).toBe(
      refusal(
        'migration nonsense is not applied',
        `The newest applied one is ${THIRD}. See \`pgkeep migrate status\`.`,
      ),
    );
    expect((await rollback(made, THIRD)).startsWith('0 ')).toBe(true);
    expect(await rollback(made, THIRD)).toBe(
      refusal(
        `migration ${THIRD} is already rolled back`,
        `The newest applied one is ${SECOND}. See \`pgkeep migrate status\`.`,
      ),
    );
  });

  it('the newest migration is the one that was applied last, not the last by name', async () => {
    const made = await application('late', 'ALTER TABLE a DROP COLUMN b;\n');
    made.add('20990101120000_late', 'CREATE TABLE late (id INT);\n', 'DROP TABLE late;\n');
    expect((await made.quickly(['--out-of-order'])).code).toBe(0);
    expect(await rollback(made, SECOND)).toBe(
      refusal(
        `migration ${SECOND} is not the newest: 20990101120000_late was applied after it`,
        'Roll back the newest first: `npx pgkeep migrate rollback 20990101120000_late`',
      ),
    );
    expect((await rollback(made)).startsWith('0 ')).toBe(true);
    expect((await rollback(made)).startsWith('0 ')).toBe(true);
    expect(await columns(made.url)).toEqual(['id']);
  });

  it('an edited migration, a database ahead of the directory, a failed row, nothing applied', async () => {
    const made = await application('history', 'ALTER TABLE a DROP COLUMN b;\n');
    made.add(SECOND, 'ALTER TABLE a ADD COLUMN b BIGINT;\n');
    expect(await rollback(made)).toBe(
      refusal(
        `migration ${SECOND} was changed after it was applied: its down.sql may no longer fit`,
        `Restore the file from version control: \`git log -p -- '*/${SECOND}/*'\``,
      ),
    );
    made.remove(SECOND);
    expect(await rollback(made)).toBe(
      refusal(
        `the newest applied migration, ${SECOND}, is not in this directory: the database is ahead of this build`,
        'Check out the version that contains it and its down.sql.',
      ),
    );
    await query(
      made.url,
      `INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at) VALUES ('x', 'x', '${THIRD}', '2026-01-02T03:04:05Z')`,
    );
    expect(await rollback(made)).toMatch(
      /^3 Refused to roll back: migration 20990103000000_third started on 2026-01-02 03:04:05 UTC and did not finish\. Nothing was touched\.\n/,
    );
    await query(made.url, 'DROP TABLE _prisma_migrations');
    expect(await rollback(made)).toBe(refusal('no migration is applied', 'See `pgkeep migrate status`.'));
    rmSync(made.migrations, { recursive: true });
    expect(await rollback(made)).toMatch(
      /^3 Refused to roll back: cannot read the migrations directory \S+: ENOENT.*Nothing was touched\.\n/,
    );
  });

  it('a byte order mark, CRLF, an enum that loses a value that a row uses', async () => {
    const made = await application('files', '\uFEFFALTER TABLE a\r\n  DROP COLUMN b;\r\n');
    made.add(
      THIRD,
      `CREATE TYPE r AS ENUM ('x', 'y');\nALTER TABLE a ADD COLUMN r r DEFAULT 'y';\n`,
      `CREATE TYPE r_new AS ENUM ('x');
ALTER TABLE a ALTER COLUMN r DROP DEFAULT;
ALTER TABLE a ALTER COLUMN r TYPE r_new USING (r::text::r_new);
`,
    );
    expect((await made.quickly()).code).toBe(0);
    expect(await rollback(made)).toBe(
      `1 The rollback of ${THIRD} failed at statement 3 of 3, prisma/migrations/${THIRD}/down.sql:3:1
  ALTER TABLE a ALTER COLUMN r TYPE r_new USING (r::text::r_new);
PostgreSQL reported: invalid input value for enum r_new: "y" (22P02)
Nothing was changed: PostgreSQL discarded the rollback, and the migration is still applied.
Fix prisma/migrations/${THIRD}/down.sql, then:
  npx pgkeep migrate rollback ${THIRD}
`,
    );
    writeFileSync(path.join(made.migrations, THIRD, 'down.sql'), 'ALTER TABLE a DROP COLUMN r; DROP TYPE r;');
    expect((await rollback(made, '--lose', 'a.r')).startsWith('0 ')).toBe(true);
    expect((await rollback(made)).startsWith('0 ')).toBe(true);
    expect(await columns(made.url)).toEqual(['id']);
  });
});
