import { rmSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CHILDREN } from '../migrations/engine-application.js';
import { ExampleApplication, INIT } from './example-application.js';

/** An environment without a database, which `--before-commit` does not need. */
const NO_DATABASE = { NODE_ENV: 'development' };

describe('pgkeep doctor --before-commit', () => {
  let application: ExampleApplication;
  beforeEach(async () => {
    application = await ExampleApplication.create();
  });
  afterEach(() => application.remove());

  it('passes an application that follows the guides, without a database', async () => {
    const { code, stdout, stderr } = await application.pgkeep(['doctor', '--before-commit'], NO_DATABASE);
    expect({ code, stderr, stdout }).toEqual({
      code: 0,
      stderr: '',
      stdout: `Before committing schema changes
  ok    schema valid and formatted           prisma/schema.prisma
  ok    migration for every schema change    the migrations make what the schema declares
  ok    generated client matches the schema  prisma/generated
  ok    new migrations pass the lint         no new migration has an error
  ok    no raw SQL outside migrations        no new SQL file has an error
  ok    guard in prisma.config.ts            prisma.config.ts refuses \`prisma migrate reset\` in production

All checks passed: 6 ok.
`,
    });
  });

  it('fails each broken line, and does not connect to the database that is set', async () => {
    application.writeModels(CHILDREN.replace('name String', 'name String\n  born DateTime?'));
    application.writeConfig({ isGuarded: false });
    application.addMigration(
      '20260103000000_drop',
      'CREATE TABLE "Old" ();\nDROP TABLE "Old";\nDELETE FROM "Child";\n',
    );
    application.write('fix.sql', 'UPDATE "Child" SET "name" = \'x\';\n');
    const unreachable = { ...NO_DATABASE, DATABASE_URL: 'postgresql://pgkeep@127.0.0.1:1/none' };
    const { code, report, lines } = await application.doctor(unreachable, ['--before-commit']);
    expect({ code, verdict: report.verdict }).toEqual({ code: 1, verdict: 'failed' });
    expect(lines).toMatchObject({
      schema: {
        status: 'fail',
        details: 'not formatted: prisma/schema.prisma',
        next: 'npx prisma format',
      },
      'schema-migration': {
        status: 'fail',
        details:
          'the schema has changes that no migration makes: [*] Changed the `Child` table [+] Added column `born`',
        next: 'npx pgkeep migrate create NAME',
      },
      'generated-client': {
        status: 'fail',
        details: 'generated from another schema: prisma/generated',
        next: 'npx prisma generate',
      },
      lint: {
        status: 'fail',
        details: expect.stringMatching(/^prisma\/migrations\/20260103000000_drop\/migration\.sql:3: /),
        next: 'npx pgkeep migrate lint',
      },
      'raw-sql': {
        status: 'fail',
        details: expect.stringMatching(/^fix\.sql:1: This SQL file is outside the migrations directory\. /),
      },
      'prisma-guard': {
        status: 'fail',
        details: 'prisma.config.ts lets `prisma migrate reset` run in production',
      },
    });

    const migration = 'ALTER TABLE "Child" ADD COLUMN "born" TIMESTAMP(3);\n';
    application.addMigration('20260103000000_drop', migration);
    application.writeConfig({ isGuarded: true });
    rmSync(path.join(application.directory, 'fix.sql'));
    const formatted = await application.prisma('format', { PRISMA_SCHEMA_ENGINE_BINARY: process.execPath });
    expect(formatted.exitCode).toBe(0);
    await application.generate();
    const fixed = await application.doctor(NO_DATABASE, ['--before-commit']);
    expect(fixed.report.counts).toEqual({ ok: 6, fail: 0, skip: 0 });
  });

  it('reports why a line cannot be checked, and checks the others', async () => {
    application.writeModels(CHILDREN.replace('String', 'Strong'));
    rmSync(path.join(application.directory, 'prisma/generated'), { recursive: true });
    rmSync(path.join(application.directory, '.git'), { recursive: true });
    const { code, lines } = await application.doctor(NO_DATABASE, ['--before-commit']);
    expect(code).toBe(1);
    expect(lines).toMatchObject({
      schema: {
        status: 'fail',
        details: expect.stringMatching(/^Prisma refuses it: Type "Strong" is neither a built-in type/),
        next: 'npx prisma validate',
      },
      'schema-migration': { status: 'fail' },
      'generated-client': {
        status: 'fail',
        details: 'not generated here: prisma/generated',
        next: 'npx prisma generate',
      },
      lint: { status: 'skip', details: expect.stringContaining('not a git repository') },
      'prisma-guard': { status: 'ok' },
    });
  });

  it('compares with --changed-since; migrations that do not replay and a broken configuration fail their lines', async () => {
    application.write('fix.sql', 'UPDATE "Child" SET "name" = \'x\';\n');
    application.addMigration(INIT, 'CREATE TABLE "Child" (;\n');
    await application.commit();
    const since = await application.doctor(NO_DATABASE, ['--before-commit', '--changed-since', 'HEAD~1']);
    expect(since.lines).toMatchObject({
      'schema-migration': { status: 'fail', details: expect.stringContaining('syntax error') },
      'raw-sql': { status: 'fail' },
    });
    application.write('prisma.config.ts', 'throw new Error("no such luck");\n');
    const { lines } = await application.doctor(NO_DATABASE, ['--before-commit']);
    expect(lines).toMatchObject({
      'prisma-guard': { status: 'fail', details: expect.stringContaining('no such luck') },
      'raw-sql': { status: 'ok' },
      lint: { status: 'ok' },
    });
  });
});
