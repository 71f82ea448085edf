import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createDatabase, query } from '../support/clinic.js';
import { DeployedApplication } from '../support/deployed-application.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

jest.setTimeout(120_000);

const INIT = `CREATE TABLE "stock" ("id" INT PRIMARY KEY, "n" INT NOT NULL);
CREATE TABLE "work" ("id" INT PRIMARY KEY);
`;
const TIDY = `SET lock_timeout = '5s';
CREATE TEMP TABLE "work" ON COMMIT DROP AS SELECT "id" FROM "stock" WHERE "n" = 0;
CREATE INDEX "work_again" ON "work" ("id");
CREATE TEMP VIEW "shown" AS SELECT * FROM "work";
UPDATE "stock" SET "n" = 1 WHERE "id" IN (SELECT "id" FROM "shown");
ALTER TABLE "stock" ADD COLUMN "m" INT;
`;

describe('a migration with temporary objects', () => {
  let own: ThrowAwayCluster;
  let application: DeployedApplication;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    application = new DeployedApplication(await createDatabase(own, 'stocks'), { clinic: false });
    application.add('20260101000000_init', INIT);
    expect(await application.quickly()).toMatchObject({ code: 0 });
    await query(application.url, 'INSERT INTO stock VALUES (1, 0); INSERT INTO work VALUES (1), (2)');
    application.add('20260102000000_tidy', TIDY);
    expect(await application.quickly()).toMatchObject({ code: 0 });
  });
  afterAll(() => own.cluster.destroy());

  it('gets a down.sql that leaves the permanent table of the same name alone', async () => {
    expect(await application.migrate(['create', '--down-for', '20260102000000_tidy'])).toEqual({
      code: 0,
      stderr: '',
      stdout: `Written: prisma/migrations/20260102000000_tidy/down.sql, which undoes it. Review it.
A rollback loses:
  public.stock.m: the column, and its values
The migration removes this, and a rollback does not restore it:
  public.stock.n: values that are overwritten
Not undone by down.sql; add it by hand if needed:
  line 5: UPDATE "stock" SET "n" = 1 WHERE "id" IN (SELECT "id" FROM … (rows are not compared, and their earlier values are unknown)
`,
    });
    const down = readFileSync(path.join(application.migrations, '20260102000000_tidy/down.sql'), 'utf8');
    expect(down.replaceAll(/^--.*\n/gm, '')).toBe('\nALTER TABLE "public"."stock" DROP COLUMN "m";\n');
  });

  it('is detected by its permanent objects', async () => {
    const { url } = application;
    await query(
      url,
      `UPDATE _prisma_migrations SET finished_at = NULL, logs = 'x' WHERE migration_name LIKE '%tidy'`,
    );
    const { stdout } = await application.migrate(['resolve']);
    expect(stdout).toContain('column public.stock.m');
    expect(stdout).not.toContain('TEMP');
    expect(stdout).not.toContain('public.work');
    await query(
      url,
      `UPDATE _prisma_migrations SET finished_at = now(), logs = NULL WHERE migration_name LIKE '%tidy'`,
    );
  });

  it('is rolled back without losing a row of that table', async () => {
    const answer = await application.migrate(['rollback', '--without-backup', '--lose', 'public.stock.m']);
    expect(answer).toMatchObject({ code: 0 });
    expect((await query(application.url, 'SELECT id FROM work ORDER BY id')).rows).toEqual([
      { id: 1 },
      { id: 2 },
    ]);
  });
});
