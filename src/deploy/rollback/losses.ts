import { type ClientBase, escapeIdentifier } from 'pg';
import { counted, shellWord } from '../../core/text.js';
import { type FullName, type Loss, nameOf } from '../../migrations/down/losses.js';
import { read, type ReadTimeouts } from '../../postgres/read.js';
import { rollbackRefused } from '../preconditions.js';
import { countWithin } from '../row-counts.js';
import type { MeasuredLoss, RollbackOptions, RollbackPlan } from './rollback.types.js';

/** The word that confirms a rollback in production. */
export const PRODUCTION_WORD = 'ROLLBACK_PRODUCTION';

/** Whether a typed name names this loss; a name without a schema is in the default one. */
function isNamed(name: string, lose: readonly string[], schema: string): boolean {
  return lose.some((typed) => typed === name || `${schema}.${typed}` === name);
}

/** Returns the names of losses that were not passed with `--lose`. Pure. */
export function notNamed(losses: readonly MeasuredLoss[], lose: readonly string[], schema: string): string[] {
  return losses.map(({ name }) => name).filter((name) => !isNamed(name, lose, schema));
}

/** Checks that every loss was named. @throws PgkeepError `ROLLBACK_REFUSED` that lists the others. */
export function requireNamed(plan: RollbackPlan): void {
  if (plan.notNamed.length === 0) return;
  const lost = plan.losses.filter(({ name }) => plan.notNamed.includes(name)).map(lossText);
  throw rollbackRefused(
    `it would lose ${lost.join('; ')}`,
    [
      'If this is intended:',
      `  ${rollbackCommand(
        plan.migration,
        plan.losses.map(({ name }) => name),
      )}`,
    ].join('\n'),
  );
}

/** Checks the confirmation. @throws PgkeepError `ROLLBACK_REFUSED` in production without one. */
export function requireConfirmed(
  { isProduction, database }: Pick<RollbackPlan, 'isProduction' | 'database'>,
  { confirm, target, onTerminal = false }: RollbackOptions,
): void {
  if (target !== undefined && target !== database) {
    throw rollbackRefused(
      `--target is ${target}, but DATABASE_URL points at database "${database}"`,
      'Check which database to roll back.',
    );
  }
  if (!isProduction) return;
  if (confirm === PRODUCTION_WORD && (onTerminal || target === database)) return;
  throw rollbackRefused(
    'a rollback in production was not confirmed',
    `Type ${PRODUCTION_WORD} when asked on a terminal, or pass \`--confirm ${PRODUCTION_WORD} --target ${database}\`.`,
  );
}

/** Returns the names to pass with `--lose`: the losses, and what else was passed. Pure. */
export function namesToType(
  losses: readonly MeasuredLoss[],
  lose: readonly string[],
  schema: string,
): string[] {
  const names = losses.map(({ name }) => name);
  return [...names, ...lose.filter((typed) => !names.some((name) => isNamed(name, [typed], schema)))];
}

/** Returns the complete command to run again. Pure. */
export function rollbackCommand(migration: string, lose: readonly string[] = []): string {
  return ['npx pgkeep migrate rollback', migration, ...lose.map((name) => `--lose ${shellWord(name)}`)].join(
    ' ',
  );
}

/** Returns Returns `1,234 rows of public.children (DROP TABLE)`. Pure. */
export function lossText({ kind, name, what, count }: MeasuredLoss): string {
  const isColumn = kind === 'column' || kind === 'values' || kind === 'conversion';
  const unit = isColumn ? 'value' : 'row';
  const much = count === null ? `an unknown number of ${unit}s` : counted(count, unit);
  const text = `${much} of ${name} (${what})`;
  if (what === 'DELETE' || what === 'MERGE' || kind === 'values') return `up to ${text}`;
  return kind === 'conversion' ? `${text}, those that do not fit the new type` : text;
}

/** The longest time for one count: a person is waiting for the answer. */
const COUNT_MS = 5000;

/** Existing tables and their columns, by name. */
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
 * Counts what would be lost; a schema is counted table by table. Missing or empty objects are not a loss.
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
    const argument = column === undefined ? undefined : escapeIdentifier(column);
    const count = isThere ? await countWithin(client, quotedName(found), COUNT_MS, argument) : 0;
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

function quotedName({ schema, table }: FullName): string {
  return `${escapeIdentifier(schema)}.${escapeIdentifier(table)}`;
}
