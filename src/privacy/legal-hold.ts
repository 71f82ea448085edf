import { appendPlan } from '../audit-log/append.js';
import { queryOne } from '../postgres/read.js';
import { tokenOfRecord, type ActionContext } from './change-record.js';
import { refused, run, type OpenRecord } from './open-record.js';
import type { HoldReport } from './privacy.types.js';
import { columnsOf, ledgerKey, openAction, tableOf } from './row-sql.js';

/** Puts a legal hold on an open record, or changes the one that is on it. @param until the last day */
export async function holdRecord(
  open: OpenRecord,
  context: ActionContext,
  until: string | null,
): Promise<HoldReport> {
  if (until !== null) await requireFuture(open, until);
  const { table, key, where, values } = keyOf(open);
  const next = values.length + 1;
  const changed = await run(open.client, {
    sql: `INSERT INTO pgkeep.legal_hold AS h (table_name, key, because, held_until, held_by)
          SELECT ${table}, ${key}, $${next}, $${next + 1}, $${next + 2} FROM ${where}
              ON CONFLICT (table_name, key) DO UPDATE
             SET because = EXCLUDED.because, held_until = EXCLUDED.held_until, held_by = EXCLUDED.held_by
           WHERE (h.because, h.held_until) IS DISTINCT FROM (EXCLUDED.because, EXCLUDED.held_until)
          RETURNING 1`,
    values: [...values, context.because, until, context.by],
  });
  return await recorded(open, context, { held: true, until, changed: changed.length > 0 });
}

/** By the database's clock, which decides when a hold ends. */
async function requireFuture({ client, operation }: OpenRecord, until: string): Promise<void> {
  const { past } = await queryOne<{ past: boolean }>(client, 'SELECT $1::date < CURRENT_DATE AS past', [
    until,
  ]);
  if (past)
    throw refused(
      operation,
      `${until} is past`,
      'Give a later day, or none: then it is held until it is released.',
    );
}

/** Releases the legal hold of an open record. */
export async function releaseRecord(open: OpenRecord, context: ActionContext): Promise<HoldReport> {
  const { table, key, where, values } = keyOf(open);
  const released = await run(open.client, {
    sql: `DELETE FROM pgkeep.legal_hold h USING (SELECT ${table} AS table_name, ${key} AS key FROM ${where}) r
           WHERE h.table_name = r.table_name AND h.key = r.key RETURNING 1`,
    values,
  });
  return await recorded(open, context, { held: false, until: null, changed: released.length > 0 });
}

/** A hold is recorded in the audit log without its reason, which may say something about the person. */
async function recorded(
  open: OpenRecord,
  { by, because, actor, database }: ActionContext,
  result: Pick<HoldReport, 'held' | 'until' | 'changed'>,
): Promise<HoldReport> {
  const { client, record } = open;
  if (result.changed) {
    const what = result.held ? 'hold' : 'release';
    const person = await tokenOfRecord(open);
    const [opened] = await run<{ id: string }>(client, openAction(what, { by, reason: because }));
    const details = { action: opened?.id, person, model: record.model, until: result.until };
    const { sql, values } = appendPlan({ action: what, subject: database, details, actor });
    await client.query(sql, [...values]);
  }
  return { model: record.model, id: record.id, ...result };
}

function keyOf({ graph, rows }: OpenRecord) {
  const table = tableOf(graph, graph.model(rows.model));
  return {
    table: table.ledgerName,
    key: ledgerKey(table, columnsOf('t')),
    where: `${table.name} t WHERE ${rows.where}`,
    values: rows.values,
  };
}
