import { readGracePeriodDays } from '../config/client-settings.js';
import { SystemClock } from '../core/clock.js';
import { propertyOf } from '../core/errors.js';
import { ACTOR_SETTING, POLICY_REFUSED, REASON_SETTING } from '../policy/policy-texts.js';
import { OwnerGraph } from '../privacy/owner-graph.js';
import { isArgs, type Args } from './args.js';
import type { Actor, Extended, GuardExtension, GuardOptions, Reason } from './client.types.js';
import { explained } from './explain-error.js';
import { GuardError } from './guard-error.js';
import { DEFAULT_SCHEMA, propertyOfModel, readGuardedModels, type GuardedModel } from './guarded-models.js';
import { inBatch, markingDelete } from './marking-delete.js';
import type { Writer } from './nested-writes.js';
import {
  apply,
  call,
  isTransactionClient,
  methodOf,
  schemaOf,
  transactionKind,
  type Operation,
} from './prisma-client.js';
import { rewriteArgs } from './rewrite.js';
import { explainTaken } from './taken-values.js';
import { SoftDeleteVerbs } from './soft-delete.js';
import { Transactions } from './transactions.js';

/** Prisma's code of a value that another row has. */
const UNIQUE_VIOLATION = 'P2002';

/** How many characters a reason may have: the database refuses more. */
const REASON_LENGTH = 2000;

/**
 * Returns the extension that guards a Prisma client: rows that are marked as deleted are hidden, `delete` marks rows or
 * is refused as the policy says, corrections need a reason, and `softDelete` has the verbs of deletion and erasure.
 * @template Model the names of the models: `Prisma.ModelName`
 */
export function pgkeepGuard<Model extends string = string>(
  options: GuardOptions = {},
): GuardExtension<Model> {
  return (client) => {
    const extended = new Guard(client, options).extend();
    if (!isExtended<Model>(extended)) throw new GuardError('This is not a Prisma client.', 'USAGE_INVALID');
    return extended;
  };
}

/** What was added has its types for the compiler only. */
function isExtended<Model extends string>(client: unknown): client is Extended<Model> {
  return typeof client === 'object' && client !== null && '$extends' in client;
}

class Guard {
  private readonly models: ReadonlyMap<string, GuardedModel>;
  private readonly graph: OwnerGraph;
  private readonly transactions = new Transactions();
  private readonly clock = new SystemClock();
  private lastMark = 0;

  constructor(
    private readonly client: unknown,
    private readonly options: GuardOptions,
  ) {
    const schema = options.schema ?? schemaOf(client);
    if (schema === undefined) {
      throw new GuardError('This Prisma client does not carry its schema.', 'SCHEMA_NOT_FOUND', {
        hint: "Pass its text: pgkeepGuard({ schema: readFileSync('prisma/schema.prisma', 'utf8') }).",
      });
    }
    const { models, rules } = readGuardedModels(schema);
    this.models = models;
    this.graph = new OwnerGraph(rules, DEFAULT_SCHEMA);
  }

  extend(): unknown {
    const marked = [...this.models.values()].filter(({ rules }) => rules.deleteRule === 'soft');
    const extended = call(this.client, '$extends', {
      name: 'pgkeep',
      client: {
        softDelete: new SoftDeleteVerbs({
          graph: this.graph,
          user: this.options.user,
          actor: () => this.options.actor?.(),
          now: () => this.clock.now(),
          inTransaction: async (work, options) => {
            const open = this.transactions.current;
            return open ? await work(open.client) : await inTransaction(extended, work, options);
          },
        }),
        $transaction: methodOf(
          async (self, work: unknown, options: unknown) => await this.transaction(self, work, options),
        ),
        $withReason: methodOf(
          async (self, reason: Reason, work: (tx: unknown) => unknown, options: unknown) =>
            await this.withReason(self, reason, work, options),
        ),
      },
      model: Object.fromEntries(marked.map((model) => [propertyOfModel(model.name), this.deletes(model)])),
      query: { $allOperations: (operation: Operation) => this.perform(operation) },
    });
    return extended;
  }

  /**
   * A delete of a marked model is an update. It replaces the method, not the query: a query that becomes another one
   * would leave the caller's transaction.
   */
  private deletes(model: GuardedModel): Record<string, unknown> {
    const replaced = (operation: 'update' | 'updateMany') =>
      methodOf((delegate, given: unknown) => {
        const now = this.nextMark();
        const args = isArgs(given) ? given : {};
        const { graph, models } = this;
        return markingDelete(
          delegate,
          { operation, model, args: operation === 'update' ? args : { where: {}, ...args } },
          { graph, models, mark: (marked) => this.markOf(marked, now) },
        );
      });
    return { delete: replaced('update'), deleteMany: replaced('updateMany') };
  }

  private async perform(operation: Operation): Promise<unknown> {
    const { model: name } = operation;
    const model = name === undefined ? undefined : this.models.get(name);
    try {
      if (!model) return await operation.query(operation.args);
      requireMethod(model, operation);
      const args = rewriteArgs(model, operation.operation, operation.args, this.writer);
      return await (operation.operation === 'upsert' && model.mark
        ? upserted(operation, args)
        : operation.query(args));
    } catch (error) {
      if (model && isUniqueViolation(error)) {
        const { gracePeriodDays = readGracePeriodDays() } = this.options;
        // A transaction that failed answers no query, and another connection could wait for its end.
        const client = transactionKind(operation) === undefined ? this.client : undefined;
        await explainTaken(error, { model, args: operation.args, client, gracePeriodDays });
      }
      throw explained(error);
    }
  }

  private get writer(): Writer {
    let at: Date | undefined;
    return {
      hasReason: this.transactions.current?.reason !== undefined,
      mark: (model) => this.markOf(model, (at ??= this.nextMark())),
    };
  }

  /** A restore finds what one deletion marked by its time, so that no two deletions of a client have the same one. */
  private nextMark(): Date {
    this.lastMark = Math.max(this.clock.now().getTime(), this.lastMark + 1);
    return new Date(this.lastMark);
  }

  private markOf({ mark }: GuardedModel, now: Date): Args {
    const actor = this.options.actor?.();
    return {
      ...(mark && { [mark.at]: now }),
      ...(mark?.by && { [mark.by.name]: storedActor(mark.by.type, actor) }),
    };
  }

  private async transaction(self: unknown, work: unknown, options: unknown): Promise<unknown> {
    const original = propertyOf(this.client, '$transaction');
    if (Array.isArray(work)) {
      return await inBatch(work, async (queries) => await apply(original, self, [queries, options]));
    }
    if (typeof work !== 'function') return await apply(original, self, [work, options]);
    // A transaction in a transaction is a part of it; one of the outer client is another one.
    const reason = isTransactionClient(self) ? this.transactions.current?.reason : undefined;
    const inside = async (tx: unknown) =>
      await this.transactions.run({ client: tx, reason }, () => apply(work, undefined, [tx]));
    return await apply(original, self, [inside, options]);
  }

  private async withReason(
    self: unknown,
    reason: Reason,
    work: (tx: unknown) => unknown,
    options: unknown,
  ): Promise<unknown> {
    checkReason(reason);
    const inside = async (tx: unknown): Promise<unknown> => {
      await stateReason(tx, reason);
      return await this.transactions.run({ client: tx, reason }, () => work(tx));
    };
    const open = this.transactions.current;
    if (!open) return await call(self, '$transaction', inside, options);
    const before = async () => await stateReason(open.client, open.reason);
    try {
      const result = await inside(open.client);
      await before();
      return result;
    } catch (error) {
      // After an error of the database this fails, too, and nothing can be changed any more.
      await before().catch(() => undefined);
      throw error;
    }
  }
}

/** @throws GuardError `PK004` for a delete that should have become an update: it came past the methods of the model. */
function requireMethod(model: GuardedModel, { operation }: Operation): void {
  if (model.rules.deleteRule !== 'soft' || (operation !== 'delete' && operation !== 'deleteMany')) return;
  throw new GuardError(
    `pgkeep: ${model.name}.${operation} is refused: it was not called on the guarded client`,
    POLICY_REFUSED,
    { hint: 'Call it on the client that $extends(pgkeepGuard()) returned.' },
  );
}

/** With the filter, Prisma reads first and writes then: of two upserts at the same time, one finds the other's row. */
async function upserted(operation: Operation, args: unknown): Promise<unknown> {
  try {
    return await operation.query(args);
  } catch (error) {
    if (isUniqueViolation(error) && transactionKind(operation) === undefined)
      return await operation.query(args);
    throw error;
  }
}

function isUniqueViolation(error: unknown): boolean {
  return propertyOf(error, 'code') === UNIQUE_VIOLATION;
}

/** Runs work in a new transaction of Prisma. */
async function inTransaction<T>(
  client: unknown,
  work: (tx: unknown) => Promise<T>,
  options: unknown,
): Promise<T> {
  let result: { readonly value: T } | undefined;
  await call(
    client,
    '$transaction',
    async (tx: unknown) => {
      result = { value: await work(tx) };
    },
    options,
  );
  if (result) return result.value;
  throw new GuardError('The transaction did not run.', 'INTERNAL');
}

/** States the reason for the rest of the transaction, or that there is none. */
async function stateReason(tx: unknown, reason: Reason | undefined): Promise<void> {
  await call(
    tx,
    '$executeRawUnsafe',
    'SELECT set_config($1, $2, true), set_config($3, $4, true)',
    REASON_SETTING,
    reason?.reason ?? '',
    ACTOR_SETTING,
    reason?.by === undefined ? '' : String(reason.by),
  );
}

/** @throws GuardError `USAGE_INVALID` */
function checkReason({ reason }: Reason): void {
  const why =
    typeof reason !== 'string' || reason.trim() === ''
      ? 'it is empty'
      : reason.length > REASON_LENGTH
        ? `it has more than ${REASON_LENGTH} characters`
        : reason.includes('\0')
          ? 'it contains a NUL character'
          : undefined;
  if (why === undefined) return;
  throw new GuardError(`pgkeep: the reason of a correction is refused: ${why}`, 'USAGE_INVALID', {
    hint: "Say in a few words why: prisma.$withReason({ reason: 'name misspelled', by }, …).",
  });
}

/** Returns who deleted, in the type of the model's field. */
function storedActor(type: string, actor: Actor | undefined): Actor | null {
  if (actor === undefined) return null;
  if (type === 'Int') return Number(actor);
  return type === 'BigInt' ? BigInt(actor) : String(actor);
}
