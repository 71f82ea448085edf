import type { Client } from 'pg';
import { PgkeepError } from '../../core/errors.js';
import { boundedList, counted, formatCount, pluralOf } from '../../core/text.js';
import { POLICY_TRIGGER_PREFIX } from '../../postgres/catalogue/own-relations.js';
import { queryOne } from '../../postgres/read.js';
import { hasPolicy } from '../ledger/found-marks.js';
import { hasLedger } from '../ledger/read-ledger.js';
import type { RowTable } from '../row-tables.js';
import type { LargeShare } from './cleanup.types.js';
import type { DueTable } from './due-rows.js';

/** So many rows of a table are always erased: a small table's share says little. */
const SMALL = 100;
/** Clocks that differ by more are not trusted with an erasure. */
const LARGEST_DIFFERENCE_MS = 3_600_000;
const DAY_MS = 86_400_000;

/**
 * Requires that the database's clock and this machine's agree: by a clock a year ahead, everything is due.
 * @throws PgkeepError `PRIVACY_REFUSED`.
 */
export function requireSameClock(database: string, machine: Date): void {
  const difference = Math.abs(new Date(database).getTime() - machine.getTime());
  if (difference <= LARGEST_DIFFERENCE_MS) return;
  const days = Math.round(difference / DAY_MS);
  const much = days > 1 ? counted(days, 'day') : counted(Math.round(difference / 60_000), 'minute');
  throw new PgkeepError(
    'PRIVACY_REFUSED',
    `Refused to clean up: the database's clock says ${database}, this machine's ${machine.toISOString()}: they differ by ${much}. Nothing was erased.`,
    { hint: 'Correct the clock that is wrong. By a clock that is ahead, rows are erased too early.' },
  );
}

/**
 * Requires that erasures are recorded in this database.
 * @throws PgkeepError `NOT_INSTALLED`, `PRIVACY_REFUSED`.
 */
export async function requireLedger(client: Client): Promise<void> {
  if (!(await hasLedger(client))) throw notInForce(false);
  if (!(await hasPolicy(client))) throw notInForce(true);
}

/**
 * Requires that the trigger of each table writes its line in the ledger for a deleted row.
 * @throws PgkeepError `PRIVACY_REFUSED`.
 */
export async function requireInForce(client: Client, tables: readonly RowTable[]): Promise<void> {
  const { rows } = await client.query<{ oid: number }>(
    `SELECT t.tgrelid::int8::float8 AS oid FROM pg_catalog.pg_trigger t
      WHERE t.tgname = $1 AND t.tgenabled = 'A' AND t.tgrelid = ANY ($2::oid[])`,
    [`${POLICY_TRIGGER_PREFIX}delete`, tables.map(({ oid }) => oid)],
  );
  const inForce = new Set(rows.map(({ oid }) => oid));
  const open = tables.filter(({ oid }) => !inForce.has(oid)).map(({ name }) => name);
  if (open.length === 0) return;
  throw new PgkeepError(
    'PRIVACY_REFUSED',
    `Refused to clean up: the rules of ${boundedList(open)} are not in force, so an erased row would not be recorded. Nothing was erased.`,
    { hint: 'Run `pgkeep policy apply`, then clean up again.' },
  );
}

/** Returns the share of a table that is due; undefined if it is small enough to be erased. */
export async function shareOf(
  client: Client,
  { table, due }: DueTable,
  maxPercent: number,
): Promise<LargeShare | undefined> {
  if (due <= SMALL || maxPercent >= 100) return undefined;
  // Counts no further than needed: of so many rows, the due ones are a small share.
  const enough = Math.ceil((due * 100) / maxPercent);
  const { rows } = await queryOne<{ rows: number }>(
    client,
    `SELECT pg_catalog.count(*)::float8 AS rows FROM (SELECT FROM ${table.sql} LIMIT $1) counted`,
    [enough],
  );
  if (rows >= enough) return undefined;
  return { table: table.name, due, rows, percent: Math.ceil((due * 100) / rows) };
}

/** Returns the error of a cleanup that would erase too much. */
export function tooLargeError(
  shares: readonly LargeShare[],
  { now, graceDays, maxPercent }: { now: string; graceDays: number; maxPercent: number },
): PgkeepError {
  const parts = shares.map((share) => shareText(share)).join('; ');
  const most = Math.max(...shares.map(({ percent }) => percent));
  return new PgkeepError(
    'PRIVACY_REFUSED',
    `Refused to clean up: ${parts} would be erased, more than ${maxPercent} %. Nothing was erased.`,
    {
      hint: `Check the database's clock (${now}), SOFT_DELETE_GRACE_PERIOD_DAYS (${counted(graceDays, 'day')}), and what marked so many rows: \`pgkeep privacy cleanup --dry-run\`. To erase them: \`pgkeep privacy cleanup --share ${most}\`.`,
    },
  );
}

/** Returns a share as text: `1,240 of 3,000 rows of public.users (42 %)`. */
export function shareText({ table, due, rows, percent }: LargeShare): string {
  return `${formatCount(due)} of ${formatCount(rows)} ${pluralOf(rows, 'row')} of ${table} (${percent} %)`;
}

function notInForce(isInstalled: boolean): PgkeepError {
  if (!isInstalled) {
    return new PgkeepError(
      'NOT_INSTALLED',
      'Cannot clean up: the database has no table pgkeep.privacy_action.',
      { hint: 'Run `pgkeep install`.' },
    );
  }
  return new PgkeepError(
    'PRIVACY_REFUSED',
    'Refused to clean up: no rule is in force, so an erased row would not be recorded. Nothing was erased.',
    { hint: 'Run `pgkeep policy apply`, then clean up again.' },
  );
}
