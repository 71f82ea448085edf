import { PgkeepError } from '../core/errors.js';
import { isInteger, isRecord, isText } from '../core/json-guards.js';
import { boundedList } from '../core/text.js';
import { POLICY_SCHEMA } from '../policy/policy-texts.js';
import { anonymizePlan } from '../privacy/anonymize-plan.js';
import { erasePlan, heldPlan, referringPlan, retainedPlan, type Referring } from '../privacy/erase-plan.js';
import { EXPORT_FORMAT, exportPlan } from '../privacy/export-plan.js';
import { markPlan, restorePlan } from '../privacy/mark-plan.js';
import type { OwnerGraph } from '../privacy/owner-graph.js';
import { keptText, referringText } from '../privacy/privacy-texts.js';
import type { Statement } from '../privacy/row-sql.js';
import { isArgs } from './args.js';
import type { Actor, Receipt, RetainedRows, SoftDelete, UserData } from './client.types.js';
import {
  keyText,
  openRecord,
  refused,
  run,
  verbError,
  withAction,
  type OpenRecord,
  type RecordRequest,
} from './open-record.js';
import { heldRefusal, refuseDelete } from './refusals.js';

/** What the verbs need of the guard. */
export interface VerbContext {
  readonly graph: OwnerGraph;
  /** The model of `exportUserData` and `anonymizeUser`, if it was set. */
  readonly user: string | undefined;
  readonly actor: () => Actor | undefined;
  readonly now: () => Date;
  /** Runs work in the open transaction, or in a new one. */
  inTransaction<T>(work: (tx: unknown) => Promise<T>, options?: object): Promise<T>;
}

/** Which verb, on what, and who asks. */
interface Asked {
  readonly model: string;
  readonly id: unknown;
  readonly by?: Actor | undefined;
  readonly reason?: string | undefined;
}

/** The words of errors, by the action of the ledger. */
const VERBS = {
  'soft-delete': 'soft-delete',
  'restore-record': 'restore',
  'hard-delete': 'erase',
  anonymize: 'anonymize',
  'export-data': 'export',
} as const;

const isAffected = isRecord<{ model: string; rows: number }>({ model: isText, rows: isInteger });

/** The verbs, on the plans that `pgkeep privacy` uses as well. */
export class SoftDeleteVerbs implements SoftDelete<string> {
  constructor(private readonly context: VerbContext) {}

  async softDelete(model: string, id: unknown, by?: Actor, reason?: string): Promise<Receipt> {
    return await this.perform('soft-delete', { model, id, by, reason }, async (record) => {
      requireMark(record, false);
      const { graph, rows, request } = record;
      return await change(record, (action) => markPlan(graph, rows, action, request.by));
    });
  }

  async restore(model: string, id: unknown, by?: Actor, reason?: string): Promise<Receipt> {
    return await this.perform('restore-record', { model, id, by, reason }, async (record) => {
      requireMark(record, true);
      return await change(record, (action) => restorePlan(record.graph, record.rows, action));
    });
  }

  async hardDelete(model: string, id: unknown, by?: Actor, reason?: string): Promise<Receipt> {
    return await this.perform('hard-delete', { model, id, by, reason }, async (record) => {
      refuseDelete(record.rules);
      requireErasable(record);
      await requireUnheld(record, 'DELETE');
      await requireUnreferred(record);
      return await change(record, () => erasePlan(record.graph, record.rows));
    });
  }

  async anonymizeUser(userId: unknown, by?: Actor, reason?: string): Promise<Receipt> {
    return await this.perform(
      'anonymize',
      { model: this.userModel(), id: userId, by, reason },
      async (record) => {
        requireErasable(record);
        await requireUnheld(record, 'UPDATE');
        return await change(record, (action) => {
          const plan = anonymizePlan(record.graph, record.rows, action);
          if (plan) return plan;
          throw refused(
            record.request,
            `no field of ${record.request.model} is declared personal`,
            'Declare its fields: /// @pgkeep.personal(METHOD).',
          );
        });
      },
    );
  }

  async exportUserData(userId: unknown): Promise<UserData> {
    const asked = { model: this.userModel(), id: userId };
    const read = async (record: OpenRecord): Promise<UserData> =>
      await withAction(record, async () => await this.readData(record));
    return await this.perform('export-data', asked, read, { isolationLevel: 'RepeatableRead' });
  }

  private async perform<T>(
    action: keyof typeof VERBS,
    { model, id, by = this.context.actor(), reason }: Asked,
    work: (record: OpenRecord) => Promise<T>,
    options?: object,
  ): Promise<T> {
    const request: RecordRequest = {
      model,
      id,
      action,
      verb: VERBS[action],
      by: by === undefined ? null : String(by),
      reason: reason ?? null,
    };
    try {
      return await this.context.inTransaction(
        async (tx) => await work(await openRecord(tx, this.context.graph, request)),
        options,
      );
    } catch (error) {
      throw verbError(error, request);
    }
  }

  /** @throws PgkeepError `USAGE_INVALID` */
  private userModel(): string {
    const { user, graph } = this.context;
    const models = [...graph.rules.models.values()];
    const subjects = models.filter(({ isSubject }) => isSubject).map(({ model }) => model.name);
    const name = user ?? (subjects.includes('User') || subjects.length !== 1 ? 'User' : subjects[0]);
    if (name !== undefined && subjects.includes(name)) return name;
    throw new PgkeepError(
      'USAGE_INVALID',
      `The rows of ${name} are no people: the model has no /// @pgkeep.subject.`,
      {
        hint:
          subjects.length === 0
            ? 'Add /// @pgkeep.subject to the model whose rows are users.'
            : `Name the model: pgkeepGuard({ user: '${subjects[0]}' }).`,
      },
    );
  }

  private async readData(record: OpenRecord): Promise<UserData> {
    const { tx, graph, rows, request } = record;
    const { models, made, omitted } = exportPlan(graph, rows);
    const data: Record<string, unknown[]> = {};
    const retained: RetainedRows[] = [];
    for (const { model, rows: statement, retained: because } of models) {
      const found = await run(tx, statement, isRecord<{ row: string }>({ row: isText }));
      data[model] = found.map(({ row }): unknown => JSON.parse(row));
      if (because !== undefined && found.length > 0) retained.push({ model, rows: found.length, because });
    }
    const isMade = isRecord<{ made: string; rows: number }>({ made: isText, rows: isInteger });
    const counts = made ? await run(tx, made, isMade) : [];
    return {
      format: EXPORT_FORMAT,
      subject: { model: request.model, id: request.id },
      exportedAt: this.context.now().toISOString(),
      data,
      madeBySubject: Object.fromEntries(counts.map((count) => [count.made, count.rows])),
      retained,
      omitted,
    };
  }
}

/** Runs a plan as a recorded action. */
async function change(record: OpenRecord, planOf: (action: string) => Statement): Promise<Receipt> {
  const { tx, graph, rows, request } = record;
  const plan = retainedPlan(graph, rows);
  const retained = plan ? await run(tx, plan, isAffected) : [];
  const { action, affected } = await withAction(record, async (opened) => {
    const counts = await run(tx, planOf(opened), isAffected);
    if (request.action === 'hard-delete' || request.action === 'anonymize') {
      // Prisma cannot read a column of type void.
      const sql = `SELECT ${POLICY_SCHEMA}.forget_reasons($1::uuid) IS NULL AS forgotten`;
      await run(tx, { sql, values: [opened] }, isRecord({}));
    }
    return { action: opened, affected: counts };
  });
  return {
    action,
    model: request.model,
    id: request.id,
    rows: Object.fromEntries(affected.filter((one) => one.rows > 0).map((one) => [one.model, one.rows])),
    retained: retained.map(({ model, rows: count }) => ({
      model,
      rows: count,
      because: graph.model(model).retained ?? '',
    })),
  };
}

/** @throws PgkeepError `USAGE_INVALID`, `PRIVACY_REFUSED` */
function requireMark({ rules, graph, isMarked, request }: OpenRecord, wanted: boolean): void {
  if (!rules.deletedAt) {
    const models = [...graph.rules.models.values()].filter(({ deletedAt }) => deletedAt !== undefined);
    throw new PgkeepError(
      'USAGE_INVALID',
      `Cannot ${request.verb} a ${request.model}: it has no field deletedAt.`,
      {
        hint: `Models that have it: ${boundedList(models.map(({ model }) => model.name))}.`,
      },
    );
  }
  if (isMarked === wanted) return;
  throw refused(
    request,
    isMarked ? 'it is marked as deleted already' : 'it is not marked as deleted',
    'Nothing is left to do.',
  );
}

/** @throws PgkeepError `PRIVACY_REFUSED` if rows of the model stay by law. */
function requireErasable({ rules, request }: OpenRecord): void {
  const kept = keptText(rules);
  if (kept === undefined) return;
  const hint = rules.deletedAt
    ? 'Hide it from the application: prisma.softDelete.softDelete(…).'
    : 'Remove the rule from the Prisma schema.';
  throw refused(request, kept, hint);
}

/** @throws GuardError `PK006` */
async function requireUnheld({ tx, graph, rows }: OpenRecord, operation: string): Promise<void> {
  const [held] = await run(tx, heldPlan(graph, rows), isRecord<{ model: string }>({ model: isText }));
  if (held) throw heldRefusal(graph.model(held.model), operation);
}

/** @throws PgkeepError `PRIVACY_REFUSED` if rows that stay refer to what would be deleted. */
async function requireUnreferred({ tx, graph, rows, request }: OpenRecord): Promise<void> {
  const plan = referringPlan(graph, rows);
  const referring = plan ? await run(tx, plan, isReferring) : [];
  if (referring.length === 0) return;
  const text = referringText(graph, { model: request.model, id: keyText(request.id) }, referring);
  throw refused(request, text, 'Anonymize it instead: prisma.softDelete.anonymizeUser(…).');
}

const isReferring = isRecord<Referring>({
  root: isArgs,
  model: isText,
  field: isText,
  rows: isInteger,
  to: isText,
  key: isArgs,
});
