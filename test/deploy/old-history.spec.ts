import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

const GONE = 'DROP TABLE IF EXISTS "shelf" CASCADE;\n';
const WAIVER = '-- pgkeep:allow cascade because the table is gone everywhere\n';

// Each test starts programs, several of them.
jest.setTimeout(180_000);

/** A history that other databases applied long ago, with statements that the lint refuses today. */
function application(url: string): DeployedApplication {
  return new DeployedApplication(url, { clinic: false })
    .add('20260101000000_init', 'CREATE TABLE "shelf" ("id" INT PRIMARY KEY, "note" TEXT);\n')
    .add('20260102000000_gone', GONE)
    .add('20260102120000_rack', 'CREATE TABLE "rack" ("id" INT);\nCREATE VIEW "racks" AS TABLE "rack";\n')
    .add('20260103000000_type', `CREATE TYPE "mood" AS ENUM ('good');\nDROP TYPE "mood" CASCADE;\n`);
}

describe('an old history', () => {
  let own: ThrowAwayCluster;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
  });
  afterAll(() => own.cluster.destroy());

  it('is applied to an empty database; what cannot be applied is refused there too', async () => {
    const app = application(await createDatabase(own, 'fresh'));
    app.add('20260104000000_broken', 'CREAT TABLE "x" ();\n');
    const refused = await app.quickly();
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain('PostgreSQL refuses this: syntax error at or near "CREAT".');
    app.remove('20260104000000_broken');
    const { code, stderr } = await app.quickly();
    expect(stderr).toContain(
      `0 errors, 0 warnings in 4 files checked (pending migrations; --all checks every one).
The database is new and empty: only what prevents a migration from being applied was checked.
Table sizes are from the database.
`,
    );
    expect(code).toBe(0);
    // Later migrations are new, and linted as such.
    app.add('20260107000000_drop', 'DROP TABLE "rack" CASCADE;\n');
    const judged = await app.quickly();
    expect(judged.code).toBe(3);
    expect(judged.stderr.trimEnd().split('\n').slice(-3)).toEqual([
      'Refused to deploy: the lint found an error in the pending migrations. Nothing was touched.',
      'Rewrite the migration as the finding says. If the change is intended, add this line above the statement: -- pgkeep:allow RULE because REASON',
      'If other databases applied it long ago, add it to the baseline and commit the file that this writes: npx pgkeep migrate lint --write-baseline',
    ]);
    expect((await app.migrate(['lint', '--write-baseline'])).code).toBe(0);
    expect((await app.quickly()).code).toBe(0);
  });

  it('may gain comments later; any other change must be accepted, which is recorded', async () => {
    const url = await createDatabase(own, 'old');
    const app = application(url);
    expect((await app.quickly()).code).toBe(0);

    app.add('20260102000000_gone', `${WAIVER}${GONE}`);
    app.add('20260108000000_next', 'CREATE TABLE "next" ("id" INT);\n');
    expect(await app.migrate(['deploy', '--dry-run'])).toMatchObject({ code: 0, stderr: '' });
    const changed = `${GONE.trimEnd()}\nSELECT 1;\n`;
    app.add('20260102000000_gone', changed);
    expect(await app.quickly()).toEqual({
      code: 3,
      stdout: '',
      stderr: `Refused to deploy: migration 20260102000000_gone was changed after it was applied. Nothing was touched.
Restore the file from version control (\`git log -p -- '*/20260102000000_gone/*'\`), and write the change as a new migration.
If the change is harmless, accept it and commit the file that this writes:
  npx pgkeep migrate lint --accept-edit 20260102000000_gone --because "…"
`,
    });
    const because = ['--because', 'the SELECT does nothing'];
    const accepted = await app.migrate(['lint', '--accept-edit', '20260102000000_gone', ...because]);
    expect([accepted.code, accepted.stdout.replace(app.directory, 'DIR')]).toEqual([
      0,
      'Recorded in DIR/prisma/pgkeep-lint-baseline.json: the change of 20260102000000_gone is accepted. Commit that file. The next change of the migration needs a new record.\n',
    ]);
    const deployed = await app.quickly();
    expect(deployed.stderr).toContain(
      'note      migration 20260102000000_gone was changed after it was applied; accepted because the SELECT does nothing\n',
    );
    expect(deployed.code).toBe(0);
    expect((await query(url, `SELECT to_regclass('next') AS name`)).rows).toEqual([{ name: 'next' }]);
    // Another change needs another acceptance.
    app.add('20260102000000_gone', `${changed}SELECT 2;\n`);
    app.add('20260109000000_more', 'CREATE TABLE "more" ("id" INT);\n');
    expect((await app.quickly()).code).toBe(3);
  });
});
