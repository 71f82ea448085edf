import { escapeIdentifier } from 'pg';
import { appendPlan } from '../audit-log/append.js';
import { PgkeepError } from '../core/errors.js';
import { shellWord } from '../core/text.js';
import { queryOne } from '../postgres/read.js';
import { POLICY_SCHEMA } from '../policy/policy-texts.js';
import { anonymizePlan } from './anonymize-plan.js';
import {
  erasePlan,
  heldPlan,
  referringPlan,
  retainedPlan,
  type HeldRow,
  type Referring,
} from './erase-plan.js';
import { markPlan, restorePlan } from './mark-plan.js';
import { refused, run, type OpenRecord } from './open-record.js';
import { isErasable } from './owner-graph.js';
import { heldText, keptText, referringText } from './privacy-texts.js';
import type { ActionRequest, Receipt, RecordAction, RetainedRows } from './privacy.types.js';
import { keyText } from './record-key.js';
import {
  columnsOf,
  ledgerKey,
  openAction,
  tableOf,
  tokenOf,
  type AffectedRows,
  type Statement,
} from './row-sql.js';

/** The verb of `pgkeep privacy` for each action. */
export const VERBS = {
  'soft-delete': 'delete',
  'restore-record': 'restore',
  'hard-delete': 'erase',
  anonymize: 'anonymize',
} as const satisfies Record<RecordAction, string>;

/** Who acts on which database. */
export interface ActionContext extends Required<ActionRequest> {
  readonly database: string;
  /** For how many days a marked record is kept. */
  readonly graceDays: number;
}

const DAY_MS = 86_400_000;

/** Does one action on an open record, and records it. @throws PgkeepError `PRIVACY_REFUSED`, `RECORD_HELD`. */
export async function changeRecord(
  open: OpenRecord,
  what: RecordAction,
  context: ActionContext,
): Promise<Omit<Receipt, 'copies'>> {
  const { client, record } = open;
  if (what === 'hard-delete' || what === 'anonymize') await requireUnheld(open);
  if (what === 'hard-delete') await requireErasable(open, context);
  if (what === 'anonymize') requireNotRetained(open, context);
  if (what === 'restore-record' || what === 'soft-delete') await requireMark(open, what);
  const referring = what === 'soft-delete' ? await readReferring(open) : [];
  const retained = await readRetained(open);
  const person = await tokenOfRecord(open);
  const [opened] = await run<{ id: string }>(
    client,
    openAction(what, { by: context.by, reason: context.because }),
  );
  const action = opened?.id ?? '';
  const affected = await run<AffectedRows>(client, planOf(open, what, action, context.by));
  if (what === 'hard-delete' || what === 'anonymize') {
    await client.query(`SELECT ${POLICY_SCHEMA}.forget_reasons($1)`, [action]);
  }
  const { at, digest } = await queryOne<{ at: Date; digest: string }>(client, LEDGER_DIGEST, [action]);
  const counts = Object.fromEntries(
    affected.filter((one) => one.rows > 0).map((one) => [one.model, one.rows]),
  );
  const details = { action, person, rows: counts, ledger: digest };
  const entry = { action: what, subject: context.database, details: { ...details, model: record.model } };
  const { sql, values } = appendPlan({ ...entry, actor: context.actor });
  await client.query(sql, [...values]);
  return {
    action,
    what,
    model: record.model,
    id: record.id,
    at: at.toISOString(),
    by: context.by,
    rows: counts,
    retained,
    referring: referring.map(({ model, rows: count, to }) => ({ model, rows: count, to })),
    keptUntil:
      what === 'soft-delete' && isErasable(open.graph.model(record.model))
        ? new Date(at.getTime() + context.graceDays * DAY_MS).toISOString()
        : null,
    ledgerDigest: digest,
  };
}

/** The SHA-256 of an action's lines, each `table TAB key TAB what`, sorted by bytes: as the copy beside the backups has them. */
const LEDGER_DIGEST = `
  SELECT a.opened_at AS at, encode(sha256(convert_to(coalesce(
           (SELECT string_agg(line, E'\\n' ORDER BY line COLLATE "C")
              FROM (SELECT concat_ws(E'\\t', r.table_name, r.key::text, r.what) AS line
                      FROM pgkeep.privacy_row r WHERE r.action_id = a.id) lines), ''), 'UTF8')), 'hex') AS digest
    FROM pgkeep.privacy_action a WHERE a.id = $1`;

function planOf(
  { graph, rows, operation }: OpenRecord,
  what: RecordAction,
  action: string,
  by: string,
): Statement {
  switch (what) {
    case 'soft-delete':
      return markPlan(graph, rows, action, by);
    case 'restore-record':
      return restorePlan(graph, rows, action);
    case 'hard-delete':
      return erasePlan(graph, rows);
    default: {
      const plan = anonymizePlan(graph, rows, action);
      if (plan) return plan;
      throw refused(
        operation,
        `no field of ${rows.model} is declared personal`,
        'Declare its fields: `/// @pgkeep.personal(METHOD)`; `pgkeep policy check` lists those that nothing classifies.',
      );
    }
  }
}

/** Returns the digits that stand for a record in the audit log: they name no one, and find the record's entries. */
export async function tokenOfRecord({ client, graph, rows }: OpenRecord): Promise<string> {
  const table = tableOf(graph, graph.model(rows.model));
  const sql = `SELECT ${tokenOf(table, columnsOf('t'))} AS token FROM ${table.name} t WHERE ${rows.where}`;
  return (await queryOne<{ token: string }>(client, sql, rows.values)).token;
}

async function requireUnheld({ client, graph, rows, record, operation }: OpenRecord): Promise<void> {
  // A hold that is being placed is waited for, and a later one waits for this erasure.
  await client.query('LOCK TABLE pgkeep.legal_hold IN SHARE MODE');
  const held = await run<HeldRow>(client, heldPlan(graph, rows));
  const [first] = held;
  if (!first) return;
  throw new PgkeepError(
    'RECORD_HELD',
    `Refused to ${operation}: ${heldText(record, held)}. Nothing was changed.`,
    {
      hint: `When the hold has ended: \`pgkeep privacy release ${first.model} ${shellWord(keyText(first.key))} --because TEXT\`.`,
    },
  );
}

async function requireErasable(open: OpenRecord, request: ActionRequest): Promise<void> {
  const { graph, record, operation } = open;
  const kept = keptText(graph.model(record.model));
  const referring = kept === undefined ? await readReferring(open) : [];
  if (kept === undefined && referring.length === 0) return;
  const isRetained = graph.model(record.model).retained !== undefined;
  throw refused(
    operation,
    kept ?? referringText(graph, record, referring),
    isRetained ? hideInstead(open, request) : `Anonymize it: \`${commandOf(open, 'anonymize', request)}\`.`,
  );
}

function requireNotRetained(open: OpenRecord, request: ActionRequest): void {
  const rules = open.graph.model(open.record.model);
  if (rules.retained === undefined) return;
  throw refused(open.operation, keptText(rules) ?? '', hideInstead(open, request));
}

function hideInstead(open: OpenRecord, request: ActionRequest): string {
  const { deletedAt } = open.graph.model(open.record.model);
  return deletedAt
    ? `Hide it from the application: \`${commandOf(open, 'soft-delete', request)}\`.`
    : 'It can be erased when the rule is removed from the Prisma schema.';
}

function commandOf({ record }: OpenRecord, what: RecordAction, { by, because }: ActionRequest): string {
  return `pgkeep privacy ${VERBS[what]} ${record.model} ${shellWord(record.id)} --by ${shellWord(by)} --because ${shellWord(because)}`;
}

async function requireMark(open: OpenRecord, what: RecordAction): Promise<void> {
  const { client, graph, rows, record, operation } = open;
  const rules = graph.model(record.model);
  if (!rules.deletedAt) {
    throw refused(
      operation,
      `${record.model} has no field deletedAt`,
      'Add `deletedAt DateTime?` to the model, or erase the record.',
    );
  }
  const table = tableOf(graph, rules);
  const { since, anonymized } = await queryOne<{ since: string | null; anonymized: boolean }>(
    client,
    `SELECT t.${escapeIdentifier(rules.deletedAt.column)}::text AS since,
            EXISTS (SELECT FROM pgkeep.privacy_row r WHERE r.what = 'anonymized' AND r.table_name = ${table.ledgerName}
                       AND r.key = ${ledgerKey(table, columnsOf('t'))}) AS anonymized
       FROM ${table.name} t WHERE ${rows.where}`,
    rows.values,
  );
  if (what === 'soft-delete' && since !== null) {
    throw refused(operation, `it was marked as deleted already, at ${since}`, 'Nothing is left to do.');
  }
  if (what === 'restore-record' && since === null) {
    throw refused(operation, 'it is not marked as deleted', 'Nothing is left to do.');
  }
  if (what === 'restore-record' && anonymized) {
    throw refused(
      operation,
      'its personal values were erased, and a restore would not bring them back',
      'A backup from before contains them; see docs/privacy.md.',
    );
  }
}

async function readReferring({ client, graph, rows }: OpenRecord): Promise<Referring[]> {
  const plan = referringPlan(graph, rows);
  return plan ? await run<Referring>(client, plan) : [];
}

async function readRetained({ client, graph, rows }: OpenRecord): Promise<RetainedRows[]> {
  const plan = retainedPlan(graph, rows);
  const counts = plan ? await run<AffectedRows>(client, plan) : [];
  return counts.map(({ model, rows: count }) => ({
    model,
    rows: count,
    because: graph.model(model).retained ?? '',
  }));
}
