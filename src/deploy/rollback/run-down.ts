import { type Client, type ClientBase, escapeIdentifier } from 'pg';
import { interrupted } from '../../core/errors.js';
import { counted } from '../../core/text.js';
import { nameOf } from '../../migrations/down/losses.js';
import { oneMessage } from '../../postgres/mark.js';
import type { FailedScript } from '../apply/apply.types.js';
import { type RunnerOptions, tryForLock } from '../apply/lock-retries.js';
import { beginScript, inTransaction, send, withScriptSession } from '../apply/script-session.js';
import type { DeployDependencies } from '../deploy-connection.js';
import { takePrismaLock } from '../deploy-lock.js';
import type { PlannedMigration } from '../deploy/deploy.types.js';
import { rollbackRefused } from '../preconditions.js';
import { type Down, protectedRemoved, type RollbackDraft } from './draft-rollback.js';
import { namesToType, rollbackCommand } from './losses.js';

/** How a `down.sql` is run. */
export interface DownRunOptions extends Pick<DeployDependencies, 'settings' | 'timeouts'> {
  readonly signal: AbortSignal;
  readonly onStep: (line: string) => void;
  /** The names passed with `--lose`. */
  readonly lose: readonly string[];
}

/** The outcome, as far as the session knows. */
export interface DownOutcome {
  readonly failed: FailedScript | undefined;
  readonly retries: number;
  readonly wasCommitting: boolean;
}

/** The session's name in pg_stat_activity. */
export const ROLLBACK_SESSION = 'pgkeep rollback';

/**
 * Runs a `down.sql` in a dedicated session with timeouts, and retries while its lock is not granted.
 * @throws PgkeepError `ROLLBACK_REFUSED`, `INTERRUPTED`; what connecting throws.
 */
export async function runDown(draft: RollbackDraft, options: DownRunOptions): Promise<DownOutcome> {
  const { settings, timeouts, signal, onStep } = options;
  const { url, connectTimeoutMs } = settings.database;
  if (signal.aborted) throw interrupted('nothing was rolled back');
  const runnerOptions = { ...settings.deploy, url, timeouts, connectTimeoutMs, signal, onStep };
  return await withScriptSession(runnerOptions, ROLLBACK_SESSION, async (client, backendPid) => {
    await takePrismaLock(client, timeouts, rollbackRefused);
    // Unqualified names resolve as in the migration.
    await client.query(`SET search_path TO ${escapeIdentifier(url.schema)}`);
    const session = new RollbackSession(client, backendPid, transactionOptions(draft, options));
    const runner = new DownRunner(draft.down.script, runnerOptions);
    try {
      await runner.run(session);
    } catch (error) {
      // Not an error of the script: the limits could not be set.
      if (!runner.failed) throw error;
    }
    return { failed: runner.failed, retries: runner.retries, wasCommitting: session.wasCommitting };
  });
}

function transactionOptions(
  { plan, down, losses, protectedNames }: RollbackDraft,
  { settings, lose }: DownRunOptions,
) {
  const { schema } = settings.database.url;
  const typed = lose.flatMap((name) => [name, `${schema}.${name}`]);
  const tables = losses.flatMap(({ kind, table }) => (kind === 'rows' && table ? [nameOf(table)] : []));
  const names = namesToType(plan.losses, lose, schema);
  return {
    down,
    schema,
    expected: new Set(
      [...typed, ...tables, ...losses.map(({ name }) => name)].filter((name) => !protectedNames.has(name)),
    ),
    protectedNames,
    command: (more: readonly string[]) => rollbackCommand(plan.migration, [...new Set([...names, ...more])]),
  };
}

/** Runs a `down.sql` with timeouts, and retries while its lock is not granted. */
class DownRunner {
  /** Why it failed, if it did. */
  failed: FailedScript | undefined;
  /** Number of retries. */
  retries = 0;

  constructor(
    private readonly migration: PlannedMigration,
    private readonly options: RunnerOptions,
  ) {}

  /** Runs the script; its error is in `failed`. @throws what node-postgres throws if the limits cannot be set. */
  async run(session: RollbackSession): Promise<void> {
    const { migration, options } = this;
    const { onStep } = options;
    const { backendPid } = session;
    onStep(`Rolling back ${migration.name}`);
    await session.prepare(beginScript(options));
    let completed = 0;
    const attempt = async (): Promise<void> => {
      completed = 0;
      await session.run(() => {
        completed += 1;
      });
    };
    const onRetry = (): void => {
      this.retries += 1;
    };
    const trial = { migration: migration.name, backendPid, mayRetry: true, onRetry };
    const failure = await tryForLock(attempt, trial, options);
    if (failure) this.failed = { ...failure, migration, backendPid, completed };
  }
}

/** What the transaction of a rollback needs to know. */
interface TransactionOptions {
  readonly down: Down;
  /** PostgreSQL schema of `_prisma_migrations` and of unqualified names. */
  readonly schema: string;
  /** Tables and columns that the script removes by name. */
  readonly expected: ReadonlySet<string>;
  /** Tables whose rows must be kept. */
  readonly protectedNames: ReadonlySet<string>;
  /** Returns the command that also allows these losses. */
  readonly command: (more: readonly string[]) => string;
}

/**
 * The session that rolls a migration back. The script and the mark in the history are one transaction, which is not
 * committed if it removed something that its SQL does not name.
 */
class RollbackSession {
  /** Whether COMMIT was sent: a session that was lost before that changed nothing. */
  wasCommitting = false;

  constructor(
    private readonly client: Client,
    readonly backendPid: number,
    private readonly options: TransactionOptions,
  ) {}

  /** Runs statements before the script. @throws what node-postgres throws. */
  async prepare(sql: string): Promise<void> {
    await this.client.query(sql);
  }

  /** Runs the script. @param onStatement called for each completed statement @throws what node-postgres throws. */
  async run(onStatement: () => void): Promise<void> {
    const { sql } = this.options.down.script;
    const path = `SET LOCAL search_path TO ${escapeIdentifier(this.options.schema)}`;
    await inTransaction(this.client, this, oneMessage('BEGIN', path), () => this.rollBack(sql, onStatement));
  }

  private async rollBack(sql: string, onStatement: () => void): Promise<void> {
    const { client } = this;
    await this.markRolledBack();
    const before = await readTableStates(client);
    await send(client, sql, onStatement);
    const more = unexpectedLosses(before, await readTableStates(client), this.options.expected);
    if (more.length === 0) return;
    const kept = more.find(({ name }) => this.options.protectedNames.has(name));
    if (kept) throw protectedRemoved(kept.text);
    throw rollbackRefused(
      `down.sql removed ${more.map(({ text }) => text).join('; ')}, which is not named in its SQL; this was rolled back`,
      ['If this is intended:', `  ${this.options.command(more.map(({ name }) => name))}`].join('\n'),
    );
  }

  /** Marks it as Prisma marks a failed one. Runs first, so that no locks are taken if it is no longer the newest. */
  private async markRolledBack(): Promise<void> {
    const { schema, down } = this.options;
    const table = `${escapeIdentifier(schema)}._prisma_migrations`;
    const { rowCount } = await this.client.query(
      `UPDATE ${table} SET rolled_back_at = pg_catalog.now()
        WHERE migration_name = $1 AND finished_at IS NOT NULL AND rolled_back_at IS NULL
          AND migration_name = (SELECT migration_name FROM ${table}
                                 WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL
                                 ORDER BY started_at DESC, migration_name DESC LIMIT 1)`,
      [down.script.name],
    );
    if (rowCount !== 0) return;
    throw rollbackRefused(
      `migration ${down.script.name} is no longer the newest applied one`,
      'Another deploy ran in the meantime: see `pgkeep migrate status`.',
    );
  }
}

/** A table or partition at one moment of a transaction. */
interface TableState {
  readonly oid: string;
  /** schema.table, unquoted. */
  readonly name: string;
  /** The names of its columns by their numbers. */
  readonly columns: Readonly<Record<string, string>>;
  readonly bytes: number;
  /** Name of the table that it is a partition of, or its own. */
  readonly rootName: string;
  /** Rows deleted in this transaction, by any statement, trigger or foreign key. */
  readonly deleted: number;
}

const STATE_QUERY = `
  SELECT c.oid::text AS oid, n.nspname || '.' || c.relname AS name,
         coalesce((SELECT pn.nspname || '.' || p.relname FROM pg_catalog.pg_class p
                     JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
                    WHERE c.relispartition AND p.oid = pg_catalog.pg_partition_root(c.oid)),
                  n.nspname || '.' || c.relname) AS "rootName",
         coalesce((SELECT pg_catalog.json_object_agg(a.attnum, a.attname) FROM pg_catalog.pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '{}') AS columns,
         pg_catalog.pg_relation_size(c.oid)::float8 AS bytes,
         pg_catalog.pg_stat_get_xact_tuples_deleted(c.oid)::float8 AS deleted
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgkeep')
     AND c.relname <> '_prisma_migrations'
   ORDER BY 2`;

/** Reads the tables as this transaction sees them. @throws what the connection throws. */
async function readTableStates(client: ClientBase): Promise<TableState[]> {
  return (await client.query<TableState>(STATE_QUERY)).rows;
}

/**
 * Finds what a script removed without naming it: by CASCADE, a trigger, a foreign key, a DO block. A table
 * without pages has nothing to lose. Pure.
 * @param expected names of tables and columns
 * @returns each loss as text.
 */
function unexpectedLosses(
  before: readonly TableState[],
  after: readonly TableState[],
  expected: ReadonlySet<string>,
): { name: string; text: string }[] {
  return before.flatMap((table) => {
    if (table.bytes === 0 || expected.has(table.rootName)) return [];
    const now = after.find(({ oid }) => oid === table.oid);
    const name = table.rootName;
    if (!now) return [{ name, text: `table ${table.name} and its rows` }];
    const columns = Object.entries(table.columns)
      .filter(([number, column]) => !(number in now.columns) && !expected.has(`${name}.${column}`))
      .map(([, column]) => ({ name: `${name}.${column}`, text: `column ${name}.${column} and its values` }));
    if (now.bytes === 0) return [{ name, text: `all rows of ${table.name}` }];
    if (now.deleted === 0) return columns;
    const rows = `${counted(now.deleted, 'row')} of ${table.name}`;
    return [...columns, { name, text: rows }];
  });
}
