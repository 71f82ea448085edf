import { type ClientBase, escapeIdentifier } from 'pg';
import { counted } from '../../core/text.js';
import { errorCode } from '../../core/errors.js';
import { type FullName, type Loss, nameOf } from '../../migrations/down/losses.js';
import { read, type ReadTimeouts } from '../../postgres/read.js';
import { rollbackRefused } from '../refusals.js';
import type { MeasuredLoss, RollbackOptions, RollbackPlan } from './rollback.types.js';

/** What is typed before a rollback in production. */
export const PRODUCTION_WORD = 'ROLLBACK_PRODUCTION';

/** Whether a name that was typed is this loss's; without its schema it is the default one's. */
function isNamed(name: string, lose: readonly string[], schema: string): boolean {
  return lose.some((typed) => typed === name || `${schema}.${typed}` === name);
}

/** The names of losses that were not typed. Pure. */
export function notNamed(losses: readonly MeasuredLoss[], lose: readonly string[], schema: string): string[] {
  return losses.map(({ name }) => name).filter((name) => !isNamed(name, lose, schema));
}

/** @throws PgkeepError `ROLLBACK_REFUSED` with everything that would be lost and was not named. */
export function requireNamed(plan: RollbackPlan): void {
  if (plan.notNamed.length === 0) return;
  const lost = plan.losses.filter(({ name }) => plan.notNamed.includes(name)).map(lossText);
  throw rollbackRefused(
    `it loses ${lost.join('; ')}`,
    [
      'Where that is meant:',
      `  ${rollbackCommand(
        plan.migration,
        plan.losses.map(({ name }) => name),
      )}`,
    ].join('\n'),
  );
}

/** @throws PgkeepError `ROLLBACK_REFUSED` in production, where nobody typed what is to be typed. */
export function requireConfirmed(
  { isProduction, database }: Pick<RollbackPlan, 'isProduction' | 'database'>,
  { confirm, target, onTerminal = false }: RollbackOptions,
): void {
  if (target !== undefined && target !== database) {
    throw rollbackRefused(
      `--target ${target} was typed, and DATABASE_URL leads to database "${database}"`,
      'Check which database is meant.',
    );
  }
  if (!isProduction) return;
  if (confirm === PRODUCTION_WORD && (onTerminal || target === database)) return;
  throw rollbackRefused(
    'a rollback in production was not confirmed',
    `Type ${PRODUCTION_WORD} when asked on a terminal, or give both \`--confirm ${PRODUCTION_WORD} --target ${database}\`.`,
  );
}

/** The names to type: what there is to lose, and whatever else was typed. Pure. */
export function namesToType(
  losses: readonly MeasuredLoss[],
  lose: readonly string[],
  schema: string,
): string[] {
  const names = losses.map(({ name }) => name);
  return [...names, ...lose.filter((typed) => !names.some((name) => isNamed(name, [typed], schema)))];
}

/** The whole command, to be typed again. Pure. */
export function rollbackCommand(migration: string, lose: readonly string[] = []): string {
  return ['npx pgkeep migrate rollback', migration, ...lose.map((name) => `--lose ${quoted(name)}`)].join(
    ' ',
  );
}

function quoted(word: string): string {
  return /^[\w.]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** `1,234 rows of public.children (DROP TABLE)`. Pure. */
export function lossText({ kind, name, what, count }: MeasuredLoss): string {
  const isColumn = kind === 'column' || kind === 'values' || kind === 'conversion';
  const unit = isColumn ? 'value' : 'row';
  const much = count === null ? `${unit}s that were too many to count` : counted(count, unit);
  const text = `${much} of ${name} (${what})`;
  if (what === 'DELETE' || what === 'MERGE' || kind === 'values') return `up to ${text}`;
  return kind === 'conversion' ? `${text}, where they do not fit` : text;
}

/** One count may take this long: somebody waits for the answer. */
const COUNT_MS = 5000;

/** What cannot be had: too slow, locked by somebody, not to be read by this role. */
const NOT_TO_BE_HAD = new Set(['57014', '55P03', '42501']);

/** Tables and columns that are there, by name. */
const EXISTING_QUERY = `
  SELECT n.nspname AS schema, c.relname AS table, pg_catalog.array_agg(a.attname::text) AS columns
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
   WHERE c.relkind IN ('r', 'p') AND n.nspname = ANY ($1) AND NOT c.relispartition
   GROUP BY 1, 2 ORDER BY 1, 2`;

interface Existing extends FullName {
  readonly columns: readonly string[];
}

/**
 * Counts what is to be lost; a schema is counted table by table. What is not there, or holds nothing, is no loss.
 * @throws what the connection throws.
 */
export async function measureLosses(
  client: ClientBase,
  losses: readonly Loss[],
  timeouts: ReadTimeouts,
): Promise<MeasuredLoss[]> {
  const schemas = losses.map(({ table, name }) => table?.schema ?? name);
  const existing = await read<Existing>(client, { sql: EXISTING_QUERY, values: [schemas], ...timeouts });
  const measured: MeasuredLoss[] = [];
  for (const { kind, name, what, table, column } of losses.flatMap((loss) => byTable(loss, existing))) {
    const found = existing.find((one) => table && nameOf(one) === nameOf(table));
    const isThere = found && (column === undefined || found.columns.includes(column));
    const count = isThere ? await countOf(client, found, column) : 0;
    if (count !== 0) measured.push({ kind, name, what, count });
  }
  return measured;
}

function byTable(loss: Loss, existing: readonly Existing[]): Loss[] {
  if (loss.kind !== 'schema') return [loss];
  const { what, index } = loss;
  return existing
    .filter(({ schema }) => schema === loss.name)
    .map((table): Loss => ({ kind: 'table', name: nameOf(table), table, column: undefined, what, index }));
}

async function countOf(
  client: ClientBase,
  { schema, table }: FullName,
  column: string | undefined,
): Promise<number | null> {
  const argument = column === undefined ? '*' : escapeIdentifier(column);
  try {
    const rows = await read<{ count: number }>(client, {
      sql: `SELECT pg_catalog.count(${argument})::float8 AS count FROM ${escapeIdentifier(schema)}.${escapeIdentifier(table)}`,
      statementTimeoutMs: COUNT_MS,
      lockTimeoutMs: COUNT_MS / 2,
    });
    return rows[0]?.count ?? null;
  } catch (error) {
    if (NOT_TO_BE_HAD.has(errorCode(error) ?? '')) return null;
    throw error;
  }
}
