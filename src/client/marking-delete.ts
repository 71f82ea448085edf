import { propertyOf } from '../core/errors.js';
import { marked, type OwnerGraph } from '../privacy/owner-graph.js';
import { isArgs, type Args } from './args.js';
import { GuardError } from './guard-error.js';
import { propertyOfModel, type GuardedModel } from './guarded-models.js';
import { flatKey } from './hidden-cursor.js';
import { call, isTransactionClient } from './prisma-client.js';
import { visibleWhere } from './visible-rows.js';

/** What a delete needs to mark rows instead. */
export interface Marking {
  readonly graph: OwnerGraph;
  readonly models: ReadonlyMap<string, GuardedModel>;
  /** Returns the data that marks a row of the model. One time for all rows, by which a restore finds them. */
  readonly mark: (model: GuardedModel) => Args;
}

/**
 * Returns the query that marks what `delete` or `deleteMany` would delete, and what its foreign keys would cascade to.
 * Like every query of Prisma it begins when it is awaited, and can be a part of a batch.
 * @param delegate the model in the client: `prisma.user`
 * @throws GuardError `USAGE_INVALID` if one query cannot say which rows those are.
 */
export function markingDelete(
  delegate: unknown,
  { operation, model, args }: { operation: 'update' | 'updateMany'; model: GuardedModel; args: Args },
  marking: Marking,
): unknown {
  const client = propertyOf(delegate, '$parent');
  const followers = followersOf(model, visibleWhere(model, flatKey(model, whereOf(args))), marking, [
    model.name,
  ]);
  if (followers.length > 0 && args['limit'] !== undefined) {
    throw new GuardError(
      `pgkeep: deleteMany of ${model.name} with a limit is refused: its foreign keys cascade to other rows`,
      'USAGE_INVALID',
      { hint: 'Read the ids first, and delete the rows by them.' },
    );
  }
  const steps = followers.map(({ model: follower, where }) =>
    call(propertyOf(client, propertyOfModel(follower.name)), 'updateMany', {
      where,
      data: marking.mark(follower),
    }),
  );
  const last = call(delegate, operation, { ...args, data: marking.mark(model) });
  return steps.length === 0 ? last : sequence(client, [...steps, last]);
}

/** Runs a batch in which a query can be a sequence; each answers with its last result. */
export async function inBatch(
  queries: readonly unknown[],
  run: (queries: readonly unknown[]) => Promise<unknown>,
): Promise<unknown> {
  const groups = queries.map((query) => sequences.get(Object(query)) ?? [query]);
  const results = await run(groups.flat());
  if (!Array.isArray(results)) return results;
  let end = 0;
  return groups.map(({ length }): unknown => results[(end += length) - 1]);
}

interface Follower {
  readonly model: GuardedModel;
  readonly where: Args;
}

/** Returns the rows that would be deleted as well, the farthest first: a row is found by the visible ones above it. */
function followersOf(
  parent: GuardedModel,
  above: unknown,
  marking: Marking,
  path: readonly string[],
): Follower[] {
  const { graph, models } = marking;
  const edges = graph.edges.filter((edge) => marked(edge) && edge.parent.model.name === parent.name);
  return edges.flatMap(({ child, field }) => {
    const model = models.get(child.model.name);
    if (!model) return [];
    if (path.includes(model.name)) {
      throw new GuardError(
        `pgkeep: DELETE of ${path[0]} is refused: its foreign keys cascade in a circle`,
        'USAGE_INVALID',
        { hint: `Call prisma.softDelete.softDelete('${path[0]}', id, by, reason), which follows them.` },
      );
    }
    const where = visibleWhere(model, { [field.name]: above });
    if (!isArgs(where)) return [];
    return followersOf(model, where, marking, path.concat(model.name)).concat({ model, where });
  });
}

function whereOf({ where }: Args): Args {
  return isArgs(where) ? where : {};
}

/** The queries of each sequence. */
const sequences = new WeakMap<object, readonly unknown[]>();

/** Returns a query that stands for several: the last one's, except that all of them are run. */
function sequence(client: unknown, queries: readonly unknown[]): unknown {
  const last = queries.at(-1);
  if (typeof last !== 'object' || last === null) return last;
  const run = async (): Promise<unknown> => {
    if (!isTransactionClient(client)) {
      const results = await call(client, '$transaction', queries);
      return Array.isArray(results) ? results.at(-1) : undefined;
    }
    let result: unknown;
    for (const query of queries) result = await query;
    return result;
  };
  let running: Promise<unknown> | undefined;
  const result = new Proxy(last, {
    get: (target, name) => {
      if (name !== 'then' && name !== 'catch' && name !== 'finally') return Reflect.get(target, name);
      running ??= run();
      return Reflect.get(running, name).bind(running);
    },
  });
  sequences.set(result, queries);
  return result;
}
