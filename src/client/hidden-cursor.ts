import { isArgs, type Args } from './args.js';
import type { GuardedModel } from './guarded-models.js';
import { transactionKind, type Operation } from './prisma-client.js';
import { mentionsMark } from './visible-rows.js';

/** Checks for a page that begins behind the row of its cursor (`skip: 1`), of rows that may be hidden. */
export function skipsRowOfCursor({ mark }: GuardedModel, operation: Operation): boolean {
  const { args } = operation;
  if (!mark || operation.operation !== 'findMany' || !isArgs(args) || !isArgs(args['cursor'])) return false;
  // In a batch, each operation sends one query.
  return (
    Boolean(args['skip']) && transactionKind(operation) !== 'batch' && !mentionsMark(args['where'], mark.at)
  );
}

/** Returns its arguments, where the row of the cursor is hidden by now, without skipping a visible one instead. */
export async function withoutSkippingHidden(
  model: GuardedModel,
  { args, query }: Operation,
): Promise<unknown> {
  const { mark } = model;
  if (!mark || !isArgs(args) || !isArgs(args['cursor'])) return args;
  const hidden = await query({
    where: { ...flatKey(model, args['cursor']), [mark.at]: { not: null } },
    select: { [mark.at]: true },
    take: 1,
  });
  const isHidden = Array.isArray(hidden) && hidden.length > 0;
  return isHidden ? { ...args, skip: Number(args['skip']) - 1 } : args;
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
