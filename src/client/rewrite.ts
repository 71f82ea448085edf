import { isArgs, mapItems, type Args } from './args.js';
import type { GuardedModel } from './guarded-models.js';
import { createdData, updatedData, type Writer } from './nested-writes.js';
import { refuseDelete } from './refusals.js';
import { visiblePage, visiblePicks } from './visible-rows.js';

/** The operations that see only visible rows; of the others, the rows are named by what they create. */
const FILTERED: ReadonlySet<string> = new Set([
  'findMany',
  'findFirst',
  'findFirstOrThrow',
  'findUnique',
  'findUniqueOrThrow',
  'count',
  'aggregate',
  'groupBy',
  'update',
  'updateMany',
  'updateManyAndReturn',
  'upsert',
  'delete',
  'deleteMany',
]);

const UPDATES: ReadonlySet<string> = new Set(['update', 'updateMany', 'updateManyAndReturn']);

/**
 * Returns the arguments with which an operation sees and changes visible rows only. The given ones stay as they are.
 * Pure, but for the time and the author of a mark.
 * @throws GuardError `PK004`, `PK005` if the policy forbids the operation.
 */
export function rewriteArgs(model: GuardedModel, operation: string, given: unknown, writer: Writer): unknown {
  if (operation === 'delete' || operation === 'deleteMany') refuseDelete(model.rules);
  if (!(model.reachesMark || model.reachesRule)) return given;
  // Prisma rejects what are no arguments.
  if (given !== undefined && !isArgs(given)) return given;
  const args = visiblePicks(model, given ?? {});
  const changes: { -readonly [Key in keyof Args]: unknown } = {};
  if (FILTERED.has(operation)) {
    const where = visiblePage(model, args);
    if (where !== undefined) changes['where'] = where;
  }
  if (operation === 'upsert') {
    changes['create'] = createdData(model, args['create'], writer);
    changes['update'] = updatedData(model, args['update'], writer);
  } else if (args['data'] !== undefined) {
    const isUpdate = UPDATES.has(operation);
    changes['data'] = mapItems(args['data'], (data) =>
      isUpdate ? updatedData(model, data, writer) : createdData(model, data, writer),
    );
  }
  return { ...args, ...changes };
}
