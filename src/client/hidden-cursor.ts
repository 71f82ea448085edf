import { isArgs, type Args } from './args.js';
import type { GuardedModel } from './guarded-models.js';
import { transactionKind, type Operation } from './prisma-client.js';
import { mentionsMark } from './visible-rows.js';

/**
 * Returns the arguments of a page that begins behind a cursor. The usual `skip: 1` skips the row of the cursor itself;
 * if that row is hidden by now, it would skip a visible one instead.
 */
export async function withoutSkippingHidden(model: GuardedModel, operation: Operation): Promise<unknown> {
  const { args } = operation;
  const { mark } = model;
  if (!mark || operation.operation !== 'findMany' || !isArgs(args)) return args;
  const { cursor, skip, where } = args;
  if (!isArgs(cursor) || typeof skip !== 'number' || skip < 1 || mentionsMark(where, mark.at)) return args;
  // In a batch, each operation sends one query.
  if (transactionKind(operation) === 'batch') return args;
  const hidden = await operation.query({
    where: { ...flatKey(model, cursor), [mark.at]: { not: null } },
    select: { [mark.at]: true },
    take: 1,
  });
  return Array.isArray(hidden) && hidden.length > 0 ? { ...args, skip: skip - 1 } : args;
}

/** Returns a unique key as an ordinary filter: a key of several fields has its values one level deeper. */
export function flatKey({ rules }: GuardedModel, key: Args): Args {
  const fields = new Set(rules.model.fields.map(({ name }) => name));
  return Object.fromEntries(
    Object.entries(key).flatMap(([name, value]) =>
      isArgs(value) && !fields.has(name) && !['AND', 'OR', 'NOT'].includes(name)
        ? Object.entries(value)
        : [[name, value]],
    ),
  );
}
