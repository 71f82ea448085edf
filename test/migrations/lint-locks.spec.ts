import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AlterTableType } from 'libpg-query';
import { Client } from 'pg';
import { lintMigrations } from '../../src/migrations/lint/lint-migrations.js';
import { docsOf, ruleOf, RULES, STATEMENT_RULES } from '../../src/migrations/lint/rules/all-rules.js';
import { ALTER_TABLE, type CommandLock, LOCKS, STATEMENTS } from '../../src/migrations/lint/command-locks.js';
import { parseFiles } from '../../src/migrations/sql/parse-files.js';
import { commandsOf } from '../../src/migrations/sql/syntax-tree.js';
import { createDatabase } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

/** The objects that exist already. */
const MADE = `
  CREATE DOMAIN positive AS INTEGER; CREATE TYPE mood AS ENUM ('good'); CREATE TYPE pair AS (a INTEGER);
  CREATE TABLE "k" ("id" INTEGER PRIMARY KEY);
  CREATE TABLE "t" (
    "id" INTEGER PRIMARY KEY, "a" INTEGER, "r" INTEGER NOT NULL, "x" TEXT, "d" positive, "m" mood,
    "g" INTEGER GENERATED ALWAYS AS (1) STORED, "i" INTEGER GENERATED ALWAYS AS IDENTITY,
    CONSTRAINT "fk" FOREIGN KEY ("a") REFERENCES "k"("id"));
  ALTER TABLE "t" ADD CONSTRAINT "nv" CHECK ("a" > 0) NOT VALID;
  CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
  CREATE TRIGGER "tr" BEFORE INSERT ON "t" FOR EACH ROW EXECUTE FUNCTION f();
  CREATE RULE "ru" AS ON UPDATE TO "t" DO ALSO NOTHING;
  CREATE POLICY "po" ON "t" USING (true);
  CREATE UNLOGGED TABLE "u" ("id" INTEGER); CREATE TABLE "l" ("id" INTEGER);
  CREATE TABLE "c" ("id" INTEGER); CREATE TABLE "h" () INHERITS ("l");
  CREATE TABLE "o" ("a" INTEGER); CREATE TABLE "y" OF pair;
  CREATE TABLE "p" ("id" INTEGER) PARTITION BY RANGE ("id");
  CREATE TABLE "p1" PARTITION OF "p" FOR VALUES FROM (0) TO (10); CREATE TABLE "q" ("id" INTEGER);
  CREATE MATERIALIZED VIEW "v" AS SELECT "id" FROM "t";
  CREATE SEQUENCE "s"; CREATE ROLE reader; CREATE SCHEMA elsewhere;`;

const ALTERS: Partial<Record<AlterTableType, string>> = {
  AT_AddColumn: 'ALTER TABLE "t" ADD COLUMN "n" INTEGER NOT NULL',
  AT_ColumnDefault: 'ALTER TABLE "t" ALTER "a" SET DEFAULT 1',
  AT_DropNotNull: 'ALTER TABLE "t" ALTER "r" DROP NOT NULL',
  AT_SetNotNull: 'ALTER TABLE "t" ALTER "a" SET NOT NULL',
  AT_DropExpression: 'ALTER TABLE "t" ALTER "g" DROP EXPRESSION',
  AT_SetStatistics: 'ALTER TABLE "t" ALTER "a" SET STATISTICS 10',
  AT_SetOptions: 'ALTER TABLE "t" ALTER "a" SET (n_distinct = 5)',
  AT_ResetOptions: 'ALTER TABLE "t" ALTER "a" RESET (n_distinct)',
  AT_SetStorage: 'ALTER TABLE "t" ALTER "x" SET STORAGE EXTERNAL',
  AT_SetCompression: 'ALTER TABLE "t" ALTER "x" SET COMPRESSION pglz',
  AT_DropColumn: 'ALTER TABLE "t" DROP COLUMN "a"',
  AT_AddConstraint: 'ALTER TABLE "t" ADD CONSTRAINT "z" CHECK ("a" > 0)',
  AT_AlterConstraint: 'ALTER TABLE "t" ALTER CONSTRAINT "fk" DEFERRABLE',
  AT_ValidateConstraint: 'ALTER TABLE "t" VALIDATE CONSTRAINT "nv"',
  AT_DropConstraint: 'ALTER TABLE "t" DROP CONSTRAINT "t_pkey"',
  AT_AlterColumnType: 'ALTER TABLE "t" ALTER "r" TYPE BIGINT',
  AT_ChangeOwner: 'ALTER TABLE "t" OWNER TO CURRENT_USER',
  AT_ClusterOn: 'ALTER TABLE "t" CLUSTER ON "t_pkey"',
  AT_DropCluster: 'ALTER TABLE "t" SET WITHOUT CLUSTER',
  AT_SetLogged: 'ALTER TABLE "u" SET LOGGED',
  AT_SetUnLogged: 'ALTER TABLE "c" SET UNLOGGED',
  AT_SetAccessMethod: 'ALTER TABLE "t" SET ACCESS METHOD heap',
  AT_SetTableSpace: 'ALTER TABLE "t" SET TABLESPACE pg_default',
  AT_SetRelOptions: 'ALTER TABLE "t" SET (fillfactor = 80)',
  AT_ResetRelOptions: 'ALTER TABLE "t" RESET (fillfactor)',
  AT_EnableTrig: 'ALTER TABLE "t" ENABLE TRIGGER "tr"',
  AT_EnableAlwaysTrig: 'ALTER TABLE "t" ENABLE ALWAYS TRIGGER "tr"',
  AT_EnableReplicaTrig: 'ALTER TABLE "t" ENABLE REPLICA TRIGGER "tr"',
  AT_DisableTrig: 'ALTER TABLE "t" DISABLE TRIGGER "tr"',
  AT_EnableTrigAll: 'ALTER TABLE "t" ENABLE TRIGGER ALL',
  AT_DisableTrigAll: 'ALTER TABLE "t" DISABLE TRIGGER ALL',
  AT_EnableTrigUser: 'ALTER TABLE "t" ENABLE TRIGGER USER',
  AT_DisableTrigUser: 'ALTER TABLE "t" DISABLE TRIGGER USER',
  AT_EnableRule: 'ALTER TABLE "t" ENABLE RULE "ru"',
  AT_EnableAlwaysRule: 'ALTER TABLE "t" ENABLE ALWAYS RULE "ru"',
  AT_EnableReplicaRule: 'ALTER TABLE "t" ENABLE REPLICA RULE "ru"',
  AT_DisableRule: 'ALTER TABLE "t" DISABLE RULE "ru"',
  AT_AddInherit: 'ALTER TABLE "c" INHERIT "l"',
  AT_DropInherit: 'ALTER TABLE "h" NO INHERIT "l"',
  AT_AddOf: 'ALTER TABLE "o" OF pair',
  AT_DropOf: 'ALTER TABLE "y" NOT OF',
  AT_ReplicaIdentity: 'ALTER TABLE "t" REPLICA IDENTITY FULL',
  AT_EnableRowSecurity: 'ALTER TABLE "t" ENABLE ROW LEVEL SECURITY',
  AT_DisableRowSecurity: 'ALTER TABLE "t" DISABLE ROW LEVEL SECURITY',
  AT_ForceRowSecurity: 'ALTER TABLE "t" FORCE ROW LEVEL SECURITY',
  AT_NoForceRowSecurity: 'ALTER TABLE "t" NO FORCE ROW LEVEL SECURITY',
  AT_AttachPartition: 'ALTER TABLE "p" ATTACH PARTITION "q" FOR VALUES FROM (100) TO (200)',
  AT_DetachPartition: 'ALTER TABLE "p" DETACH PARTITION "p1"',
  AT_AddIdentity: 'ALTER TABLE "t" ALTER "r" ADD GENERATED ALWAYS AS IDENTITY',
  AT_SetIdentity: 'ALTER TABLE "t" ALTER "i" RESTART WITH 7',
  AT_DropIdentity: 'ALTER TABLE "t" ALTER "i" DROP IDENTITY',
};

const OTHERS: Partial<Record<keyof typeof STATEMENTS, string>> = {
  CreateStmt: 'CREATE UNLOGGED TABLE "n" ("t" INTEGER REFERENCES "t"("id"), "r" INTEGER NOT NULL)',
  DropStmt: 'DROP TABLE "c"',
  TruncateStmt: 'TRUNCATE "c"',
  RenameStmt: 'ALTER TABLE "t" RENAME TO "renamed"',
  AlterObjectSchemaStmt: 'ALTER TABLE "t" SET SCHEMA elsewhere',
  IndexStmt: 'CREATE INDEX ON "t" ("a")',
  ReindexStmt: 'REINDEX TABLE "t"',
  ClusterStmt: 'CLUSTER "t" USING "t_pkey"',
  RefreshMatViewStmt: 'REFRESH MATERIALIZED VIEW "v"',
  LockStmt: 'LOCK TABLE "t"',
  CreateTrigStmt: 'CREATE TRIGGER "n" BEFORE INSERT ON "t" FOR EACH ROW EXECUTE FUNCTION f()',
  RuleStmt: 'CREATE RULE "n" AS ON INSERT TO "t" DO ALSO NOTHING',
  CreatePolicyStmt: 'CREATE POLICY "n" ON "t" USING (true)',
  AlterPolicyStmt: 'ALTER POLICY "po" ON "t" USING (false)',
  CreateStatsStmt: 'CREATE STATISTICS "n" ON "a", "r" FROM "t"',
  UpdateStmt: 'UPDATE "t" SET "x" = lower("x")',
  DeleteStmt: 'DELETE FROM "t"',
  InsertStmt: 'INSERT INTO "q" VALUES (1)',
  SelectStmt: `SELECT setval('s', 7), count(*) FROM "t"`,
  CreateTableAsStmt: 'CREATE TABLE "n" AS SELECT * FROM "t"',
  ViewStmt: 'CREATE VIEW "n" AS SELECT "id" FROM "t"',
  AlterDomainStmt: 'ALTER DOMAIN positive ADD CHECK (VALUE > 0)',
  AlterEnumStmt: `ALTER TYPE mood RENAME VALUE 'good' TO 'well'`,
  AlterSeqStmt: 'ALTER SEQUENCE "s" RESTART',
  AlterDefaultPrivilegesStmt: 'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC',
  AlterRoleStmt: 'ALTER ROLE reader BYPASSRLS',
  CreateRoleStmt: 'CREATE ROLE boss SUPERUSER',
  VariableSetStmt: 'SET LOCAL session_replication_role = replica',
};

/** Rules that need more than the one statement: another statement, another engine, or another server version. */
const NOT_ALONE = new Set([
  'concurrently-in-transaction',
  'enum-value-in-use',
  'no-lock-timeout',
  'risky-together',
]);

/** Commands that break no rule in this form: their rules are about other forms or newer servers. */
const HARMLESS_HERE = new Set(['AT_AlterConstraint', 'CreateTableAsStmt', 'InsertStmt']);

describe('the lock and the rules of each command', () => {
  let own: ThrowAwayCluster;
  let client: Client;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    client = new Client({ connectionString: await createDatabase(own, 'verdicts') });
    await client.connect();
    await client.query(MADE);
  });
  afterAll(async () => {
    await client.end();
    await own.cluster.destroy();
  });

  /** The strongest lock that a statement takes on an existing table or materialized view. */
  async function lockOf(sql: string): Promise<string> {
    const before = await client.query<{ oid: number }>(
      `SELECT oid FROM pg_class WHERE relkind IN ('r', 'p', 'm') AND relnamespace = 'public'::regnamespace`,
    );
    await client.query('BEGIN');
    try {
      await client.query(sql);
      const { rows } = await client.query<{ mode: string }>(
        `SELECT mode FROM pg_locks WHERE locktype = 'relation' AND pid = pg_backend_pid() AND relation = ANY ($1)`,
        [before.rows.map(({ oid }) => oid)],
      );
      const modes = new Set(rows.map(({ mode }) => mode));
      return LOCKS.findLast((lock) => modes.has(`${lock.replaceAll(/ ?(\w)(\w*)/g, toCamel)}Lock`)) ?? 'none';
    } finally {
      await client.query('ROLLBACK');
    }
  }

  /** The findings of the lint, with the fixture's owner columns. */
  async function rulesOf(sql: string): Promise<string[]> {
    const files = [
      { path: '1', content: MADE, isJudged: false },
      { path: '2', content: sql },
    ];
    const { findings } = await lintMigrations(files, { ownerColumns: ['r'] });
    return findings.map(({ rule }) => rule);
  }

  async function expectAsDeclared(
    name: string,
    declared: CommandLock | undefined,
    sql: string,
  ): Promise<void> {
    const rules = RULES.filter(({ on = [] }) => on.some((command) => command === name)).map(({ id }) => id);
    const found = await rulesOf(sql);
    expect({
      sql,
      lock: await lockOf(sql),
      isFound: found.length > 0,
      others: found.filter((rule) => !rules.includes(rule)),
    }).toEqual({
      sql,
      lock: declared?.lock,
      isFound: rules.some((rule) => !NOT_ALONE.has(rule)) && !HARMLESS_HERE.has(name),
      others: [],
    });
  }

  it.each(Object.entries(ALTERS))('ALTER TABLE, %s: PostgreSQL’s lock, and the rules', async (kind, sql) => {
    const [parsed] = await parseFiles([{ path: 'x', content: sql }]);
    const subtypes = (parsed?.flat ?? []).flatMap(({ node }) =>
      commandsOf(node).map(({ subtype }) => subtype),
    );
    expect(subtypes.map((subtype) => subtype ?? 'AT_AddColumn')).toEqual([kind]);
    await expectAsDeclared(kind, Object.entries(ALTER_TABLE).find(([name]) => name === kind)?.[1], sql);
  });

  it.each(Object.entries(OTHERS))('%s: PostgreSQL’s lock, and the rules', async (kind, sql) => {
    await expectAsDeclared(kind, Object.entries(STATEMENTS).find(([name]) => name === kind)?.[1], sql);
  });

  it('every rule about statements checks a listed command', () => {
    const commands = new Set([...Object.keys(ALTER_TABLE), ...Object.keys(STATEMENTS)]);
    const unlisted = STATEMENT_RULES.filter(
      ({ on }) => on.length === 0 || on.some((one) => !commands.has(one)),
    );
    expect(unlisted.map(({ id }) => id)).toEqual([]);
  });

  it('every command that locks a table is checked, or listed with the reason why not', () => {
    const checked = new Set<string>(RULES.flatMap(({ on = [] }) => on));
    const silent = [...Object.entries(ALTER_TABLE), ...Object.entries(STATEMENTS)].filter(
      ([name, { lock, note }]) => lock !== 'none' && note === '' && !checked.has(name),
    );
    expect(silent.map(([name]) => name)).toEqual([]);
  });

  it('every rule has a unique name, and a section that its findings link to', () => {
    const ids = RULES.map(({ id }) => id);
    expect(
      ids.filter((id, index) => ids.indexOf(id) !== index || !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(id)),
    ).toEqual([]);
    expect(docsOf('drop-column')).toBe('docs/lint-rules.md#drop-column');
    expect([docsOf('squawk/ban-char-field'), ruleOf('squawk/ban-char-field')]).toEqual([
      undefined,
      undefined,
    ]);
  });
});

function toCamel(_match: string, first: string, rest: string): string {
  return `${first}${rest.toLowerCase()}`;
}
