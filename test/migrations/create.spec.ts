import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import {
  CHILDREN,
  createDatabase,
  PrismaApplication,
  prismaEnvironment,
  query,
  shadowDatabases,
} from './engine-application.js';

// Each test starts programs, several of them.
jest.setTimeout(120_000);

const WITH_BORN = CHILDREN.replace('name String', 'name String\n  born DateTime?');

describe('pgkeep migrate create', () => {
  let own: ThrowAwayCluster;
  let application: PrismaApplication;
  let url: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own.cluster, 'application');
    application = new PrismaApplication(url);
  });
  afterAll(async () => {
    application.remove();
    await own.cluster.destroy();
  });

  const create = async (argv: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    await runCli(
      ['migrate', ...argv],
      prismaEnvironment({ NODE_ENV: 'development', DATABASE_URL: url, ...env }),
      { cwd: application.directory },
    );
  const names = () => readdirSync(application.migrations).filter((name) => name !== 'migration_lock.toml');
  const newest = () => names().toSorted().at(-1) ?? '';
  const read = (file: string) => readFileSync(path.join(application.directory, file), 'utf8');

  it.each([
    [['create'], 'Missing argument: migration name.\n`pgkeep migrate create add_phone_to_parents`\n'],
    [
      ['create', 'Add Phone'],
      '"Add Phone" is not in lower_case_with_underscores.\n`pgkeep migrate create add_phone`\n',
    ],
    [
      ['create', '--name', '20241201_143022_add_phone'],
      '"20241201_143022_add_phone" begins with a time, which Prisma adds itself.\n`pgkeep migrate create add_phone`\n',
    ],
  ])('%j: suggests a valid name, exit 2, and nothing is written', async (argv, stderr) => {
    expect(await create(argv)).toEqual({ code: 2, stdout: '', stderr });
    expect(names()).toEqual([]);
  });

  it('has Prisma write the migration, and writes the script that undoes it', async () => {
    const { code, stdout, stderr } = await create(['create', 'init']);
    const name = newest();
    expect(name).toMatch(/^\d{14}_init$/);
    expect(stderr).toContain(`Prisma Migrate created the following migration without applying it ${name}`);
    expect(stdout).toBe(`Written: prisma/migrations/${name}/migration.sql
Written: prisma/migrations/${name}/down.sql, which undoes it. Review both.
A rollback loses:
  public.Child: the table, and its rows
`);
    expect(code).toBe(0);
    expect(read(`prisma/migrations/${name}/down.sql`)).toBe(
      `-- Undoes ${name}. Written by pgkeep from the difference that the migration makes to the schema:
-- review it, and commit it beside migration.sql. \`pgkeep migrate rollback\` runs it in one transaction.
-- It deletes:
--   public.Child: the table, and its rows

-- DropTable
DROP TABLE "public"."Child";
`,
    );
    expect(await shadowDatabases(own.cluster)).toEqual([]);
  });

  it('down.sql is ignored by Prisma (status, deploy, dev, checksum) and by the lint', async () => {
    expect((await application.prisma('migrate deploy')).exitCode).toBe(0);
    const before = await application.prisma('migrate status');
    expect(before.output).toContain('Database schema is up to date!');
    application.write(`prisma/migrations/${newest()}/down.sql`, 'THIS IS NO SQL;');
    const after = await application.prisma('migrate status');
    expect(after).toEqual(before);
    expect((await application.prisma('migrate deploy')).output).toContain('No pending migrations to apply.');
    expect((await application.prisma('migrate dev')).output).toContain('Already in sync');
    const status = await create(['status', '--json']);
    expect(JSON.parse(status.stdout)).toMatchObject({ applied: [newest()], edited: [] });
    const lint = await create(['lint', '--all', '--json']);
    expect(JSON.parse(lint.stdout)).toMatchObject({ files: 1, counts: { error: 0 } });
    application.write(`prisma/migrations/${newest()}/down.sql`, 'DROP TABLE "Child";\n');
  });

  it('--name, --json: one document on stdout, Prisma’s output on stderr', async () => {
    application.writeSchema(WITH_BORN);
    const { stdout, stderr, code } = await create(['create', '--name', 'add_born', '--json']);
    const migration = newest();
    expect(JSON.parse(stdout)).toEqual({
      migration,
      script: `prisma/migrations/${migration}/migration.sql`,
      down: `prisma/migrations/${migration}/down.sql`,
      statements: 1,
      loses: ['public.Child.born: the column, and its values'],
      lostBefore: [],
      failing: [],
      notReversed: [],
    });
    expect(stderr).toContain('created the following migration without applying it');
    expect(code).toBe(0);
  });

  it('from the schema to the rollback: applied, undone, and Prisma sees no difference', async () => {
    const migration = newest();
    expect((await create(['deploy', '--without-backup'])).code).toBe(0);
    await query(url, 'SELECT "born" FROM "Child"');
    expect((await create(['rollback', '--without-backup'])).code).toBe(0);
    await expect(query(url, 'SELECT "born" FROM "Child"')).rejects.toThrow('"born" does not exist');
    const { output, exitCode } = await application.prisma('migrate status');
    expect(output).toMatch(/not yet been applied:\n\d{14}_add_born\n/);
    expect(exitCode).toBe(1);
    expect((await application.prisma('migrate deploy')).output).toContain(
      'All migrations have been successfully applied.',
    );
    await query(url, 'SELECT "born" FROM "Child"');
    const rows = await query(
      url,
      `SELECT rolled_back_at IS NOT NULL AS back FROM _prisma_migrations WHERE migration_name = '${migration}' ORDER BY started_at`,
    );
    expect(rows).toEqual([{ back: true }, { back: false }]);
  });

  it('an unchanged schema: no down.sql before there is something to undo', async () => {
    const { stdout, code } = await create(['create', 'by_hand']);
    const name = newest();
    expect(stdout)
      .toBe(`prisma/migrations/${name}/migration.sql contains no statement: the schema has not changed. Write it by hand, then:
  pgkeep migrate create --down-for ${name}
`);
    expect(code).toBe(0);
    expect(existsSync(path.join(application.migrations, name, 'down.sql'))).toBe(false);

    application.addMigration(
      name,
      `CREATE TYPE "Sex" AS ENUM ('F', 'M');
ALTER TABLE "Child" DROP COLUMN "born";
UPDATE "Child" SET "name" = upper("name");
CREATE VIEW "names" AS SELECT "name" FROM "Child";
ALTER TABLE "Child" ADD CONSTRAINT "named" CHECK ("name" <> '');
CREATE OR REPLACE FUNCTION f() RETURNS INT LANGUAGE sql AS 'SELECT 1';
`,
    );
    const written = await create(['create', '--down-for', name]);
    expect(written.stdout).toBe(`Written: prisma/migrations/${name}/down.sql, which undoes it. Review it.
The migration removes this, and a rollback does not restore it:
  public.Child.born: the column, and its values
  public.Child.name: values that are overwritten
Not undone by down.sql; add it by hand if needed:
  line 3: UPDATE "Child" SET "name" = upper("name") (rows are not compared, and their earlier values are unknown)
  line 6: CREATE OR REPLACE FUNCTION f() RETURNS INT LANGUAGE sql AS … (functions are not compared)
`);
    expect(read(`prisma/migrations/${name}/down.sql`)).toBe(
      `-- Undoes ${name}. Written by pgkeep from the difference that the migration makes to the schema:
-- review it, and commit it beside migration.sql. \`pgkeep migrate rollback\` runs it in one transaction.
-- It deletes no row and no value.
-- Deleted by the migration, and not restored by this script:
--   public.Child.born: the column, and its values
--   public.Child.name: values that are overwritten
-- Not undone by this script; write it by hand, or leave it:
--   line 3: UPDATE "Child" SET "name" = upper("name") (rows are not compared, and their earlier values are unknown)
--   line 6: CREATE OR REPLACE FUNCTION f() RETURNS INT LANGUAGE sql AS … (functions are not compared)

-- Undoes line 5 of migration.sql
ALTER TABLE "public"."Child" DROP CONSTRAINT "named";

-- Undoes line 4 of migration.sql
DROP VIEW "public"."names";

-- AlterTable
ALTER TABLE "public"."Child" ADD COLUMN     "born" TIMESTAMP(3);

-- DropEnum
DROP TYPE "public"."Sex";
`,
    );
  });

  it('refuses an existing down.sql, a migration that does not exist, and one that cannot be replayed', async () => {
    const name = newest();
    const before = read(`prisma/migrations/${name}/down.sql`);
    expect(await create(['create', '--down-for', name])).toEqual({
      code: 3,
      stdout: '',
      stderr: `Refused to write prisma/migrations/${name}/down.sql: it exists and may have been edited. Nothing was changed.
To write it again, delete it first.
`,
    });
    expect(read(`prisma/migrations/${name}/down.sql`)).toBe(before);
    expect(await create(['create', '--down-for', 'by_hand'])).toEqual({
      code: 2,
      stdout: '',
      stderr: `There is no migration by_hand in prisma/migrations.\nDid you mean ${name}?\n`,
    });
    application.addMigration('29990101000000_broken', 'ALTER TABLE "NoSuch" DROP COLUMN "x";\n');
    const broken = await create(['create', '--down-for', '29990101000000_broken']);
    expect(broken.stderr).toMatch(
      /^No down\.sql was written for 29990101000000_broken: its history cannot be replayed: .*relation "NoSuch" does not exist/,
    );
    expect(broken.code).toBe(1);
    expect(existsSync(path.join(application.migrations, '29990101000000_broken/down.sql'))).toBe(false);
    expect(await shadowDatabases(own.cluster)).toEqual([]);
  });

  it('an enum that gains a value, a dropped required column: a correct script, with what it cannot restore', async () => {
    const enumerated = new PrismaApplication(await createDatabase(own.cluster, 'enumerated'));
    enumerated.addMigration(
      '20250101000000_first',
      `CREATE TYPE "Sex" AS ENUM ('F');\nCREATE TABLE "t" ("sex" "Sex", "name" TEXT NOT NULL);\n`,
    );
    enumerated.addMigration(
      '20250102000000_second',
      `ALTER TYPE "Sex" ADD VALUE 'M';\nALTER TABLE "t" DROP COLUMN "name";\n`,
    );
    const { code } = await runCli(
      ['migrate', 'create', '--down-for', '20250102000000_second'],
      prismaEnvironment({ NODE_ENV: 'development', DATABASE_URL: enumerated.url }),
      { cwd: enumerated.directory },
    );
    expect(code).toBe(0);
    const written = readFileSync(path.join(enumerated.migrations, '20250102000000_second/down.sql'), 'utf8');
    enumerated.remove();
    expect(written.slice(written.indexOf('\n\n') + 2)).toBe(`-- AlterEnum
CREATE TYPE "public"."Sex_new" AS ENUM ('F');
ALTER TABLE "public"."t" ALTER COLUMN "sex" TYPE "public"."Sex_new" USING ("sex"::text::"public"."Sex_new");
ALTER TYPE "public"."Sex" RENAME TO "Sex_old";
ALTER TYPE "public"."Sex_new" RENAME TO "Sex";
DROP TYPE "public"."Sex_old";

-- AlterTable
ALTER TABLE "public"."t" ADD COLUMN     "name" TEXT NOT NULL;
`);
    expect(written).toContain(`-- It deletes no row and no value.
-- It fails where the table has rows, because a required column needs a default (or three steps):
--   public.t.name
-- Deleted by the migration, and not restored by this script:
--   public.t.name: the column, and its values
`);
  });

  it('production: refuses both before anything is written', async () => {
    const production = await createDatabase(own.cluster, 'production');
    const settings = { NODE_ENV: 'development', DATABASE_URL: production };
    expect((await runCli(['install'], settings)).code).toBe(0);
    expect((await runCli(['stamp', 'production'], settings)).code).toBe(0);
    const before = names();
    for (const argv of [
      ['create', 'add_more'],
      ['create', '--down-for', '29990101000000_broken'],
    ]) {
      const { code, stderr } = await create(argv, { DATABASE_URL: production });
      expect(stderr).toMatch(
        /^Refused to run `prisma migrate dev`: database "production" \(\S+\) is stamped production \(NODE_ENV is development\)\. Nothing was touched\.\n/,
      );
      expect(code).toBe(3);
    }
    expect(names()).toEqual(before);
    expect(existsSync(path.join(application.migrations, '29990101000000_broken/down.sql'))).toBe(false);
  });
});
