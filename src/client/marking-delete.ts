import { propertyOf } from '../core/errors.js';
import { marked, type OwnerGraph } from '../privacy/owner-graph.js';
import { isArgs, type Args } from './args.js';
import { GuardError } from './guard-error.js';
import { propertyOfModel, type GuardedModel } from './guarded-models.js';
import { call, isTransactionClient } from './prisma-client.js';
import { flatKey, visibleWhere } from './visible-rows.js';

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
  const isOne = operation === 'update';
  const above = isOne ? markedRow(model, args) : visibleWhere(model, whereOf(args));
  const followers = followersOf(model, above, marking, [model.name]);
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
  const first = call(delegate, operation, { ...args, data: marking.mark(model) });
  if (steps.length === 0) return first;
  // The answer of a single delete has what is selected as it was before; many rows are found while they are visible.
  return isOne ? sequence(client, [first, ...steps], 0) : sequence(client, [...steps, first], steps.length);
}

/** The filter of one row after it was marked. Its own mark is mentioned, so that the guard adds none. */
function markedRow(model: GuardedModel, args: Args): Args {
  const key = flatKey(model, whereOf(args));
  return model.mark ? { ...key, [model.mark.at]: { not: null } } : key;
}

/** Runs a batch in which a query can be a sequence. */
export async function inBatch(
  queries: readonly unknown[],
  run: (queries: readonly unknown[]) => Promise<unknown>,
): Promise<unknown> {
  const groups = queries.map((query) => sequences.get(Object(query)) ?? { queries: [query], answer: 0 });
  const results = await run(groups.flatMap((group) => group.queries));
  if (!Array.isArray(results)) return results;
  let start = 0;
  return groups.map((group): unknown => {
    const result: unknown = results[start + group.answer];
    start += group.queries.length;
    return result;
  });
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

/** Several queries that stand for one. */
interface Sequence {
  readonly queries: readonly unknown[];
  /** Which of them has the answer. */
  readonly answer: number;
}

/** The sequence behind a query. */
const sequences = new WeakMap<object, Sequence>();

/** Returns the query that has the answer, except that all of them are run. */
function sequence(client: unknown, queries: readonly unknown[], answer: number): unknown {
  const query = queries[answer];
  if (typeof query !== 'object' || query === null) return query;
  const run = async (): Promise<unknown> => {
    const results: unknown[] = [];
    if (isTransactionClient(client)) for (const one of queries) results.push(await one);
    else results.push(...listOf(await call(client, '$transaction', queries)));
    return results[answer];
  };
  let running: Promise<unknown> | undefined;
  const result = new Proxy(query, {
    get: (target, name) => {
      if (name !== 'then' && name !== 'catch' && name !== 'finally') return Reflect.get(target, name);
      running ??= run();
      return Reflect.get(running, name).bind(running);
    },
  });
  sequences.set(result, { queries, answer });
  return result;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
