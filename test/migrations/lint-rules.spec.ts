import { describe, expect, it } from '@jest/globals';
import { lintMigrations } from '../../src/migrations/lint/lint-migrations.js';
import type { Engine } from '../../src/migrations/lint/engine.js';
import type { Finding, LintContext, LintFile } from '../../src/migrations/lint/lint.types.js';

/** Existing tables of unknown size. */
const HISTORY: LintFile = {
  path: '1_init',
  isJudged: false,
  content: `
    CREATE TABLE "users" ("id" SERIAL PRIMARY KEY, "email" TEXT NOT NULL, "deleted_at" TIMESTAMPTZ(3));
    CREATE TABLE "children" ("id" SERIAL PRIMARY KEY, "parent_id" INTEGER NOT NULL, "name" VARCHAR(50), "weight" DECIMAL(4,2));`,
};

async function findingsOf(sql: string, context?: LintContext): Promise<readonly Finding[]> {
  const { findings } = await lintMigrations(
    [HISTORY, { path: '2_next', content: `SET lock_timeout = '5s';\n${sql}` }],
    context,
  );
  return findings;
}

async function rulesOf(sql: string, context?: LintContext): Promise<string[]> {
  return (await findingsOf(sql, context)).map(({ rule }) => rule);
}

async function messageOf(sql: string): Promise<string[]> {
  return (await findingsOf(sql)).map(({ rule, severity, line, column, message, rewrite }) =>
    [`${severity} ${rule} ${line}:${column}`, message, rewrite].join('\n'),
  );
}

describe('rules about rows', () => {
  it.each([
    'UPDATE "users" SET "email" = lower("email")',
    'UPDATE "users" SET "email" = $$x$$ WHERE 1=1',
    'UPDATE "users" SET "email" = $$x$$ WHERE true',
    `UPDATE "users" SET "email" = 'x' WHERE 'a' = 'a'`,
    'UPDATE "users" SET "email" = $$x$$ WHERE NOT false',
    'UPDATE "users" SET "email" = $$x$$ WHERE 2 > 1 AND "id" = "id"',
    'UPDATE "users" SET "email" = $$x$$ WHERE "id" = 7 OR 1 <> 2',
    'UPDATE "users" SET "email" = $$x$$ WHERE "id" IS NOT NULL',
    'UPDATE "users" SET "email" = $$x$$ WHERE "email" IS NOT NULL',
    'UPDATE "users" SET "email" = $$x$$ WHERE ctid IS NOT NULL',
    'UPDATE "users" SET "email" = $$x$$ WHERE "deleted_at" IS NULL OR "deleted_at" IS NOT NULL',
    `UPDATE "users" SET "email" = 'x' WHERE "email" LIKE '%'`,
    `UPDATE "users" SET "email" = 'x' WHERE 't'::boolean`,
    'UPDATE "users" SET "email" = $$x$$ WHERE EXISTS (SELECT 1)',
    'UPDATE "users" SET "email" = $$x$$ WHERE NULL IS NULL',
    'UPDATE "users" u SET "email" = c."name" FROM "children" c',
    'WITH gone AS (UPDATE "users" SET "email" = $$x$$ RETURNING *) SELECT * FROM gone',
  ])('changes every row: %s', async (sql) => {
    expect(await rulesOf(sql)).toEqual(['update-without-where']);
  });

  it.each([
    'UPDATE "users" SET "email" = $$x$$ WHERE "id" = 7',
    'UPDATE "users" SET "email" = $$x$$ WHERE "deleted_at" IS NOT NULL',
    'UPDATE "users" SET "email" = $$x$$ WHERE false OR "id" < 3',
    'UPDATE "users" SET "email" = $$x$$ WHERE 1 = 2',
    'UPDATE "users" SET "email" = $$x$$ WHERE NOT (1 = 1)',
    `UPDATE "users" SET "email" = 'x' WHERE "email" NOT LIKE '%'`,
    'DELETE FROM "users" WHERE EXISTS (SELECT 1 FROM "children" WHERE "parent_id" = "users"."id")',
    'CREATE TABLE "new" ("id" INTEGER); INSERT INTO "new" VALUES (1); UPDATE "new" SET "id" = 2; DELETE FROM "new"',
  ])('changes some rows only: %s', async (sql) => {
    expect(await rulesOf(sql)).toEqual([]);
  });

  it('prints complete messages', async () => {
    expect(await messageOf('UPDATE "users" SET "email" = lower("email");')).toEqual([
      `error update-without-where 2:8
UPDATE changes every row of "users" (size unknown, assumed to be large): it has no WHERE. The previous values are lost.
UPDATE "users" SET "email" = lower("email")
WHERE "email" IS NULL; -- or another condition that names the rows to change`,
    ]);
    expect(await messageOf('DELETE FROM public."users" WHERE 1=1;')).toEqual([
      `error delete-without-where 2:13
DELETE removes every row of "public"."users" (size unknown, assumed to be large): its WHERE is true for every row. Only a backup can restore them.
UPDATE "public"."users" SET "deleted_at" = now() WHERE …; -- soft delete; name the rows to delete`,
    ]);
    expect(await messageOf('TRUNCATE "children" CASCADE;')).toEqual([
      `error truncate 2:10
TRUNCATE removes every row of "children" (size unknown, assumed to be large) and fires no row trigger. Only a backup can restore the rows. CASCADE also empties every table with a foreign key to this one, and so on; the file does not name these tables.
DELETE FROM "children" WHERE …; -- name the rows to delete`,
    ]);
    expect(await messageOf('DROP TABLE "children";')).toEqual([
      `error drop-table 2:1
DROP TABLE removes "children" and all of its rows (size unknown, assumed to be large). Only a backup can restore them, and an application that still uses the table will fail.
-- First release an application version that does not use the table. Then move the table to another schema:
-- pgkeep:allow rename-table because nothing uses it any more
ALTER TABLE "children" SET SCHEMA "retired";
-- Drop it in a later migration, with a waiver that says so.`,
    ]);
    expect(await messageOf('ALTER TABLE "children" DROP COLUMN "name";')).toEqual([
      `error drop-column 2:1
DROP COLUMN removes "name" of "children" and its value in every row (size unknown, assumed to be large). Only a backup can restore them, and an application that still uses the column will fail: Prisma names every column of its schema.
-- First release an application version whose schema does not have "name". For that, make a required column nullable:
ALTER TABLE "children" ALTER COLUMN "name" DROP NOT NULL;
-- Drop it in a later migration, with a waiver that says so.`,
    ]);
    expect(await messageOf('DROP SCHEMA "clinic" CASCADE;')).toEqual([
      `error drop-schema 2:1
DROP SCHEMA "clinic" removes everything in it, tables and rows included. Only a backup can restore them.
-- Drop what is not needed any more by name, table by table.`,
      `error cascade 2:1
CASCADE also drops everything that depends on it (views, foreign keys, columns); the file does not name these objects.
DROP SCHEMA "clinic"; -- PostgreSQL then names the dependent objects: drop these first, by name`,
    ]);
  });

  it('a required column: only if a row has no value', async () => {
    expect(await rulesOf('ALTER TABLE "users" ADD COLUMN "a" TEXT NOT NULL')).toEqual(['required-column']);
    expect(await rulesOf('ALTER TABLE "users" ADD COLUMN "a" INTEGER PRIMARY KEY')).toContain(
      'required-column',
    );
    expect(await rulesOf('ALTER TABLE "users" ADD COLUMN "a" TEXT NOT NULL DEFAULT NULL')).toEqual([
      'required-column',
    ]);
    expect(await rulesOf(`ALTER TABLE "users" ADD COLUMN "a" TEXT NOT NULL DEFAULT ''`)).toEqual([]);
    expect(
      await rulesOf('CREATE TABLE "n" ("id" INTEGER); ALTER TABLE "n" ADD COLUMN "a" TEXT NOT NULL'),
    ).toEqual([]);
    expect(
      await rulesOf(
        'CREATE TABLE "n" ("id" INTEGER); INSERT INTO "n" VALUES (1); ALTER TABLE "n" ADD COLUMN "a" TEXT NOT NULL',
      ),
    ).toEqual(['required-column']);
  });

  it('counts one row in the singular', async () => {
    const [finding] = await findingsOf('DROP TABLE "users";', {
      sizes: new Map([['public.users', { rows: 1, bytes: 8192 }]]),
    });
    expect(finding?.message).toBe(
      'DROP TABLE removes "users" and all of its rows (about 1 row, 8.0 kB). Only a backup can restore them, and an application that still uses the table will fail.',
    );
  });

  it.each([
    ['"UserRole"', `'…'::"UserRole" /* choose the value for the existing rows */`],
    ['UUID', 'gen_random_uuid()'],
    ['TIMESTAMPTZ(3)', 'now() /* choose the value for the existing rows */'],
    ['DOUBLE PRECISION', '0 /* choose the value for the existing rows */'],
    ['INTEGER[]', `'{}' /* choose the value for the existing rows */`],
    ['DECIMAL(10,2)', '0 /* choose the value for the existing rows */'],
    ['app."Mood"', `'…'::"app"."Mood" /* choose the value for the existing rows */`],
  ])('three steps for a column of type %s', async (type, value) => {
    const small = new Map([['public.users', { rows: 12, bytes: 8192 }]]);
    const [finding] = await findingsOf(`ALTER TABLE "users" ADD COLUMN "a" ${type} NOT NULL;`, {
      sizes: small,
    });
    const shown = type.replace('app.', '"app".');
    expect(finding?.rewrite)
      .toBe(`-- Migration 1: add it as nullable, and release an application version that writes it
SET lock_timeout = '5s';
ALTER TABLE "users" ADD COLUMN "a" ${shown};
-- Migration 2: fill the existing rows
UPDATE "users" SET "a" = ${value} WHERE "a" IS NULL;
-- Migration 3: require it
SET lock_timeout = '5s';
ALTER TABLE "users" ALTER COLUMN "a" SET NOT NULL;`);
  });
});

describe('rules about locks', () => {
  const STATEMENTS: readonly [string, string][] = [
    ['CREATE INDEX "i" ON "users"("email")', 'create-index-not-concurrently'],
    ['ALTER TABLE "users" ADD CONSTRAINT "u" UNIQUE ("email")', 'constraint-builds-index'],
    [
      'ALTER TABLE "children" ADD CONSTRAINT "f" FOREIGN KEY ("parent_id") REFERENCES "users"("id")',
      'foreign-key-without-not-valid',
    ],
    [`ALTER TABLE "users" ADD CONSTRAINT "c" CHECK ("email" <> '')`, 'check-without-not-valid'],
    ['ALTER TABLE "users" ALTER COLUMN "email" TYPE VARCHAR(20)', 'column-type-change'],
    ['ALTER TABLE "users" ALTER COLUMN "deleted_at" SET NOT NULL', 'set-not-null'],
    ['ALTER TABLE "users" ADD COLUMN "k" UUID DEFAULT gen_random_uuid()', 'volatile-default'],
  ];

  it.each(STATEMENTS)(
    '%s: a finding on a large table and on one of unknown size, not on a small one',
    async (sql, rule) => {
      const size = (rows: number, bytes: number): LintContext => ({
        sizes: new Map(['public.users', 'public.children'].map((name) => [name, { rows, bytes }])),
      });
      expect(await rulesOf(sql)).toEqual([rule]);
      expect(await rulesOf(sql, size(2_000_000, 9e8))).toEqual([rule]);
      expect(await rulesOf(sql, size(9999, 800_000))).toEqual([]);
      expect((await findingsOf(sql, size(2_000_000, 9e8)))[0]?.message).toContain(
        '(about 2,000,000 rows, 858.3 MB)',
      );
    },
  );

  it.each([
    'CREATE TABLE "n" ("id" INTEGER PRIMARY KEY, "u" INTEGER REFERENCES "users"("id")); CREATE INDEX "i" ON "n"("u")',
    'ALTER TABLE "children" ADD CONSTRAINT "f" FOREIGN KEY ("parent_id") REFERENCES "users"("id") NOT VALID',
    'ALTER TABLE "children" ADD COLUMN "u" INTEGER REFERENCES "users"("id")',
    'ALTER TABLE "users" ALTER COLUMN "id" SET NOT NULL',
    'ALTER TABLE "children" ALTER COLUMN "name" TYPE TEXT, ALTER COLUMN "weight" TYPE DECIMAL(9,2)',
    'ALTER TABLE "users" ADD COLUMN "created" TIMESTAMPTZ NOT NULL DEFAULT now()',
    'ALTER TABLE "users" ADD CONSTRAINT "u" UNIQUE USING INDEX "users_u"',
  ])('no finding: %s', async (sql) => {
    expect(await rulesOf(sql)).toEqual([]);
  });

  it('SET NOT NULL is free after a validated check of an earlier migration, or of this one', async () => {
    const check = `ALTER TABLE "users" ADD CONSTRAINT "p" CHECK ("deleted_at" IS NOT NULL) NOT VALID;`;
    const validate = 'ALTER TABLE "users" VALIDATE CONSTRAINT "p";';
    const set = 'ALTER TABLE "users" ALTER COLUMN "deleted_at" SET NOT NULL;';
    expect(await rulesOf(check + validate + set)).toEqual(['risky-together']);
    expect(await rulesOf(check + set)).toEqual(['set-not-null']);
    const earlier: LintFile = { path: '1_more', content: check + validate, isJudged: false };
    const now: LintFile = { path: '2', content: `SET lock_timeout = '5s'; ${set}` };
    expect((await lintMigrations([HISTORY, earlier, now])).findings).toEqual([]);
  });

  it('an index of a partitioned table is built partition by partition', async () => {
    const parts: LintFile = {
      path: '1',
      content: 'CREATE TABLE "p" ("id" INTEGER) PARTITION BY RANGE ("id")',
      isJudged: false,
    };
    const rewriteOf = async (content: string): Promise<string | undefined> =>
      (await lintMigrations([parts, { path: '2', content }])).findings[0]?.rewrite;
    expect(await rewriteOf('CREATE INDEX "i" ON "p"("id")'))
      .toBe(`-- An index of the partitioned table only: builds nothing
CREATE INDEX "i" ON ONLY "p"("id");
-- Then for each partition, each in a separate migration
CREATE INDEX CONCURRENTLY … ON …; -- the partition, the same columns
-- In the last one: the index is valid when the index of every partition is attached
ALTER INDEX … ATTACH PARTITION …;`);
    expect(await rewriteOf('CREATE INDEX "i" ON ONLY "p"("id")')).toBeUndefined();
  });

  it('the suggestion for a check with a quoted parenthesis is complete', async () => {
    const [finding] = await findingsOf(`ALTER TABLE "users" ADD CHECK ("email" <> ')''(' AND (true));`);
    expect(finding?.rewrite.split('\n')[2]).toBe(
      `ALTER TABLE "users" ADD CONSTRAINT "users_check" CHECK ("email" <> ')''(' AND (true)) NOT VALID;`,
    );
  });

  it('a long statement while the file holds a lock', async () => {
    expect(
      await messageOf(
        'ALTER TABLE "users" ADD COLUMN "a" TEXT;\nUPDATE "children" SET "name" = lower("name") WHERE "weight" > 3;',
      ),
    ).toEqual([
      `warning risky-together 3:1
UPDATE of "children" (size unknown, assumed to be large) runs while an earlier statement of this file holds its lock on "users". Queries on "users" wait until it is done. \`pgkeep migrate deploy\` applies the file as one transaction.
-- In a separate migration, after this one.`,
    ]);
    const sql = 'ALTER TABLE "users" ADD COLUMN "a" TEXT; UPDATE "users" SET "a" = $$x$$ WHERE "id" > 3;';
    expect(await rulesOf(sql)).toEqual(['risky-together']);
    // Prisma commits each statement by itself.
    expect(await rulesOf(sql, { engine: 'prisma' })).toEqual([]);
    expect(await rulesOf(`BEGIN; ${sql} COMMIT;`, { engine: 'prisma' })).toEqual(['risky-together']);
    expect(await rulesOf(sql, { engine: 'prisma-before-7.4' })).toEqual(['risky-together']);
    expect(await rulesOf(sql.replace('> 3', '= 3'))).toEqual([]);
  });

  it('lock_timeout: missing, set too late, switched off, set by the program that applies', async () => {
    const rules = async (content: string, context?: LintContext): Promise<string[]> =>
      (
        await lintMigrations([HISTORY, { path: '2', content }], { engine: 'prisma', ...context })
      ).findings.map(({ rule }) => rule);
    const alter = 'ALTER TABLE "users" ADD COLUMN "a" TEXT;';
    expect(await rules(alter)).toEqual(['no-lock-timeout']);
    expect(await rules(`${alter} SET lock_timeout = '5s'; ${alter}`)).toEqual(['no-lock-timeout']);
    expect(await rules(`SET lock_timeout = 0; ${alter}`)).toEqual(['no-lock-timeout']);
    expect(await rules(`SET lock_timeout = '0s'; ${alter}`)).toEqual(['no-lock-timeout']);
    expect(await rules(`SET lock_timeout = 5000; RESET lock_timeout; ${alter}`)).toEqual(['no-lock-timeout']);
    expect(await rules(`SET LOCAL lock_timeout TO '5s'; ${alter}`)).toEqual([]);
    expect(await rules(`SELECT set_config('lock_timeout', '5s', true); ${alter}`)).toEqual([]);
    expect(await rules(alter, { engine: 'pgkeep' })).toEqual([]);
    expect(await rules(`SET lock_timeout = 0; ${alter}`, { engine: 'pgkeep' })).toEqual(['no-lock-timeout']);
    expect(await rules('ALTER TABLE "users" VALIDATE CONSTRAINT "c";')).toEqual([]);
    expect(await rules('ALTER INDEX "i" RENAME TO "j";')).toEqual([]);
    expect(await rules('CREATE TABLE "n" ("u" INTEGER REFERENCES "users"("id"));')).toEqual([
      'no-lock-timeout',
    ]);
    expect(await rules('CREATE INDEX CONCURRENTLY "i" ON "users"("email");')).toEqual([]);
  });

  it.each([
    'CREATE INDEX CONCURRENTLY "i" ON "users"("email")',
    'DROP INDEX CONCURRENTLY "i"',
    'REINDEX TABLE CONCURRENTLY "users"',
    'VACUUM "users"',
    'ALTER TABLE "users" DETACH PARTITION "u" CONCURRENTLY',
  ])('a statement that cannot be combined with others: %s', async (sql) => {
    const mixed = `${sql}; COMMENT ON TABLE "users" IS 'x'`;
    const rules = async (engine: Engine): Promise<string[]> =>
      (await findingsOf(mixed, { engine })).map(({ rule, severity }) => `${severity} ${rule}`);
    expect(await rules('prisma-before-7.4')).toEqual(['error concurrently-in-transaction']);
    const isSplit = sql.startsWith('CREATE');
    expect(await rules('prisma')).toEqual([`${isSplit ? 'warning' : 'error'} concurrently-in-transaction`]);
    expect(await rules('pgkeep')).toEqual(['warning concurrently-in-transaction']);
    // With a SET alone, nothing can be half done.
    expect(await rulesOf(sql)).toEqual([]);
  });

  it('CREATE TABLE IF NOT EXISTS of an existing table does not count as new', async () => {
    const { findings } = await lintMigrations(
      [
        {
          path: '2',
          isPending: true,
          content: `SET lock_timeout = '5s'; CREATE TABLE IF NOT EXISTS "t" ("id" INTEGER); CREATE INDEX "i" ON "t"("id");`,
        },
      ],
      { sizes: new Map([['public.t', { rows: 1e6, bytes: 1e8 }]]) },
    );
    expect(findings.map(({ rule }) => rule)).toEqual(['create-index-not-concurrently']);
  });

  it('a table that a pending migration creates is new for the next one', async () => {
    const made = { path: '1', content: 'CREATE TABLE "n" ("id" INTEGER);' };
    const then = { path: '2', content: 'CREATE INDEX "i" ON "n"("id");' };
    const pending = await lintMigrations([
      { ...made, isPending: true },
      { ...then, isPending: true },
    ]);
    expect(pending.findings).toEqual([]);
    const applied = await lintMigrations([
      { ...made, isPending: false, isJudged: false },
      { ...then, isPending: true },
    ]);
    expect(applied.findings.map(({ rule }) => rule)).toEqual(['create-index-not-concurrently']);
  });
});

describe('rules that other linters have as well', () => {
  const LARGE = '"t" (size unknown, assumed to be large)';
  async function after(made: string, then: string): Promise<string[]> {
    const { findings } = await lintMigrations([
      { path: '1_made', content: made, isJudged: false },
      { path: '2_then', content: then },
    ]);
    return findings.map(({ severity, rule, message, rewrite }) =>
      [`${severity} ${rule}: ${message}`, rewrite].join('\n'),
    );
  }

  it('a new column of a domain, a type change under a check, a primary key of an index that may hold NULL', async () => {
    expect(
      await after(
        'CREATE DOMAIN positive AS INTEGER CHECK (VALUE > 0); CREATE TABLE "t" ("id" INTEGER);',
        'ALTER TABLE "t" ADD COLUMN "c" positive;',
      ),
    ).toEqual([
      `error volatile-default: Adding "c" rewrites ${LARGE} under a lock that blocks reads and writes: every row is checked against domain "positive".
-- Migration 1: the base type of the domain, and its condition for new rows
SET lock_timeout = '5s';
ALTER TABLE "t" ADD COLUMN "c" …; -- the base type of "positive"
ALTER TABLE "t" ADD CONSTRAINT … CHECK (…) NOT VALID;
-- Migration 2: reads the table under a lock that allows reads and writes
ALTER TABLE "t" VALIDATE CONSTRAINT …;`,
    ]);
    expect(
      await after(
        `CREATE TABLE "t" ("id" INTEGER, "c" VARCHAR(10) CHECK ("c" <> 'x'));`,
        'ALTER TABLE "t" ALTER COLUMN "c" TYPE TEXT;',
      ),
    ).toEqual([
      `error column-type-change: Changing the type of "c" from VARCHAR(10) to TEXT reads all of ${LARGE} under a lock that blocks reads and writes: PostgreSQL checks every row again against "t_c_check".
-- Migration 1: drop the check, and add it again for new rows
SET lock_timeout = '5s';
ALTER TABLE "t" DROP CONSTRAINT "t_c_check";
ALTER TABLE "t" ALTER COLUMN "c" TYPE TEXT;
ALTER TABLE "t" ADD CONSTRAINT "t_c_check" CHECK (…) NOT VALID; -- the same condition
-- Migration 2: reads the table under a lock that allows reads and writes
ALTER TABLE "t" VALIDATE CONSTRAINT "t_c_check";`,
    ]);
    const steps = `-- Migration 1: require it in new rows
SET lock_timeout = '5s';
ALTER TABLE "t" ADD CONSTRAINT "t_id_not_null" CHECK ("id" IS NOT NULL) NOT VALID;
-- Migration 2: reads the table under a lock that allows reads and writes
ALTER TABLE "t" VALIDATE CONSTRAINT "t_id_not_null";
-- Migration 3: require it; reads nothing, because of the check
SET lock_timeout = '5s';
ALTER TABLE "t" ALTER COLUMN "id" SET NOT NULL;
ALTER TABLE "t" DROP CONSTRAINT "t_id_not_null";`;
    expect(
      await after(
        'CREATE TABLE "t" ("id" INTEGER); CREATE UNIQUE INDEX "i" ON "t"("id");',
        'ALTER TABLE "t" ADD PRIMARY KEY USING INDEX "i";',
      ),
    ).toEqual([
      `error set-not-null: ADD PRIMARY KEY USING INDEX sets "id" NOT NULL, and for that reads all of ${LARGE} under a lock that blocks reads and writes.
${steps}
-- Then add the primary key, which reads nothing`,
    ]);
    expect(
      await after('CREATE TABLE "t" ("id" INTEGER);', 'ALTER TABLE "t" ADD PRIMARY KEY ("id");'),
    ).toEqual([
      `error constraint-builds-index: ADD PRIMARY KEY builds its index under a lock that blocks reads and writes of ${LARGE}.
${steps}
-- In a separate migration:
CREATE UNIQUE INDEX CONCURRENTLY "t_id_key" ON "t"("id");
-- In the next migration:
SET lock_timeout = '5s';
ALTER TABLE "t" ADD CONSTRAINT "t_id_key" PRIMARY KEY USING INDEX "t_id_key";`,
    ]);
  });

  it('a dropped foreign key: no finding if it is replaced, or its column or a table is dropped', async () => {
    const made = `CREATE TABLE "k" ("id" INTEGER PRIMARY KEY);
      CREATE TABLE "t" ("id" INTEGER PRIMARY KEY, "k_id" INTEGER REFERENCES "k"("id"), "o_id" INTEGER);
      ALTER TABLE "t" ADD CONSTRAINT "named" FOREIGN KEY ("o_id") REFERENCES "k"("id");`;
    const lost = (name: string): string =>
      `warning weakened-protection: "t" loses its foreign key "${name}" to "k": rows that refer to no existing row are accepted.
-- Keep it; or waive this with what protects the rows instead.`;
    for (const name of ['named', 't_k_id_fkey']) {
      expect(await after(made, `ALTER TABLE "t" DROP CONSTRAINT "${name}";`)).toEqual([lost(name)]);
    }
    const drop = 'ALTER TABLE "t" DROP CONSTRAINT "t_k_id_fkey"';
    const add = 'ADD CONSTRAINT "next" FOREIGN KEY ("k_id") REFERENCES "k"("id") ON DELETE CASCADE NOT VALID';
    for (const then of [
      `${drop}; ALTER TABLE "t" ${add};`,
      `${drop}, ${add};`,
      `ALTER TABLE "t" ${add}; ${drop};`,
      `${drop};
-- pgkeep:allow rename-table because moved
ALTER TABLE "t" RENAME TO "z";
-- pgkeep:allow rename-column because moved
ALTER TABLE "z" RENAME COLUMN "k_id" TO "l_id";
ALTER TABLE "z" ${add.replace('"k_id"', '"l_id"')};`,
      `${drop};\n-- pgkeep:allow drop-column because moved\nALTER TABLE "t" DROP COLUMN "k_id";`,
      `${drop};\n-- pgkeep:allow drop-table because moved\nDROP TABLE "t";`,
      `${drop};\n-- pgkeep:allow drop-table because moved\nDROP TABLE "k";`,
    ]) {
      expect(await after(made, then)).toEqual([]);
    }
    const other = `ALTER TABLE "t" ADD CONSTRAINT "o" FOREIGN KEY ("o_id") REFERENCES "k"("id") NOT VALID`;
    expect(await after(made, `${drop}; ${other};`)).toEqual([lost('t_k_id_fkey')]);
    expect(await after(made, 'ALTER TABLE "t" DROP CONSTRAINT "t_o_id_check";')).toEqual([]);
    expect(await after('', drop)).toEqual([lost('t_k_id_fkey').replace(' to "k"', '')]);
  });
});

describe('rules about the application', () => {
  it('renames', async () => {
    expect(await messageOf('ALTER TABLE "users" RENAME COLUMN "email" TO "mail";')).toEqual([
      `error rename-column 2:1
The running application still uses "email" of "users" and will fail.
-- No SQL: let Prisma use another name for the same column, in schema.prisma:
--   mail … @map("email")`,
    ]);
    expect(await messageOf('ALTER TABLE "users" RENAME TO "people";')).toEqual([
      `error rename-table 2:1
The running application still uses "users" and will fail.
-- No SQL: let Prisma use another name for the same table, in schema.prisma:
--   model people { … @@map("users") }`,
    ]);
    expect(
      await rulesOf('ALTER TABLE "users" RENAME CONSTRAINT "a" TO "b"; ALTER INDEX "a" RENAME TO "b"'),
    ).toEqual([]);
  });

  it('one row is one row', async () => {
    const sizes = new Map([['public.users', { rows: 1, bytes: 8192 }]]);
    const [finding] = await findingsOf('DELETE FROM "users";', { sizes });
    expect(finding?.message).toContain('(about 1 row, 8.0 kB)');
  });

  it('a nullable owner column, if the setting is set', async () => {
    const declared = { ownerColumns: ['owner_id', 'ownerId'] };
    const plain = 'CREATE TABLE "media" ("id" INTEGER, "owner_id" INTEGER);';
    expect(await rulesOf(plain)).toEqual([]);
    const [found] = await findingsOf(plain, declared);
    expect(found).toMatchObject({
      severity: 'warning',
      rule: 'nullable-owner',
      line: 2,
      column: 37,
      message: '"owner_id" of "media" may be NULL. Queries by owner do not find rows without one.',
      rewrite: '"owner_id" INTEGER NOT NULL',
    });
    expect(
      await rulesOf('CREATE TABLE "media" ("id" INTEGER, "owner_id" INTEGER NOT NULL);', declared),
    ).toEqual([]);
    expect(
      await rulesOf('CREATE TABLE "media" ("owner_id" INTEGER, PRIMARY KEY ("owner_id"));', declared),
    ).toEqual([]);
    expect(await rulesOf('ALTER TABLE "users" ALTER COLUMN "ownerId" DROP NOT NULL;', declared)).toEqual([
      'nullable-owner',
    ]);
    const [first] = await findingsOf('ALTER TABLE "users" ADD COLUMN "owner_id" INTEGER;', declared);
    expect(first).toMatchObject({ rule: 'nullable-owner', severity: 'info' });
  });

  it('a table without an owner, if the setting is set', async () => {
    const plain = 'CREATE TABLE "plain" ("id" INTEGER);';
    const owned = 'CREATE TABLE "media" ("owner_id" INTEGER NOT NULL);';
    expect(await rulesOf(owned + plain)).toEqual([]);
    const declared = { ownerColumns: ['tenant_id', 'owner_id'] };
    for (const other of ['CREATE TEMP TABLE "x" ("id" INTEGER)', 'CREATE TABLE "x" (LIKE "media")']) {
      expect(await rulesOf(owned + other, declared)).toEqual([]);
    }
    expect(await findingsOf(plain, declared)).toMatchObject([
      {
        rule: 'missing-owner',
        severity: 'warning',
        message: '"plain" has no owner column (tenant_id, owner_id), so the owner of its rows is unknown.',
        rewrite:
          '"tenant_id" … NOT NULL -- or waive this if the rows have no owner: reference data, a join table',
      },
    ]);
  });
});
