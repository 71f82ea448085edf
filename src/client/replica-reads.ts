import { PgkeepError, propertyOf } from '../core/errors.js';
import { call } from './prisma-client.js';

const READ_OPERATIONS = [
  'findUnique',
  'findUniqueOrThrow',
  'findFirst',
  'findFirstOrThrow',
  'findMany',
  'count',
  'aggregate',
  'groupBy',
] as const;

const RAW_READS = ['$queryRaw', '$queryRawUnsafe', '$queryRawTyped'] as const;

type ReadOperation = (typeof READ_OPERATIONS)[number];
type RawRead = (typeof RAW_READS)[number];

/** What `$replica()` returns: the reads of a client, and nothing that writes. */
export type ReplicaReads<Client> = Pick<Client, Extract<keyof Client, RawRead>> & {
  readonly [Model in keyof Client as Client[Model] extends { findMany: unknown } ? Model : never]: Pick<
    Client[Model],
    Extract<keyof Client[Model], ReadOperation | 'fields'>
  >;
};

/** A read that was asked for, on whichever client it runs. */
export interface PlannedRead {
  /** Whether it is SQL of the application, which may do more than read. */
  readonly isRaw: boolean;
  on(client: unknown): unknown;
}

/** Runs a read on one of the clients. */
export type RunRead = (read: PlannedRead) => Promise<unknown>;

/** Returns an object with the reads of a client, each of which `run` is given; everything else is refused. */
export function readsOf(client: unknown, run: RunRead): unknown {
  return new Proxy(Object.freeze({}), {
    get(_target, name) {
      if (typeof name === 'symbol') return undefined;
      if (isOneOf(RAW_READS, name)) {
        return (...given: unknown[]) => pending({ isRaw: true, on: (on) => call(on, name, ...given) }, run);
      }
      const found = propertyOf(client, name);
      if (typeof found === 'function') return () => refused(name);
      return typeof found === 'object' && found !== null ? readsOfModel(name, found, run) : found;
    },
  });
}

function readsOfModel(model: string, delegate: object, run: RunRead): unknown {
  return new Proxy(Object.freeze({}), {
    get(_target, name) {
      if (typeof name === 'symbol') return undefined;
      const found = propertyOf(delegate, name);
      if (typeof found !== 'function') return found;
      if (!isOneOf(READ_OPERATIONS, name)) return () => refused(`${model}.${name}`);
      return (...given: unknown[]) =>
        pending({ isRaw: false, on: (on) => call(propertyOf(on, model), name, ...given) }, run);
    },
  });
}

/** A read that begins when it is awaited, as Prisma's own. Its relations can be read: `findUnique(…).parent()`. */
function pending(read: PlannedRead, run: RunRead): unknown {
  let running: Promise<unknown> | undefined;
  const start = (): Promise<unknown> => (running ??= run(read));
  const settled: Readonly<Record<string, unknown>> = {
    // eslint-disable-next-line unicorn/no-thenable
    then: (...handlers: Parameters<Promise<unknown>['then']>) => start().then(...handlers),
    catch: (...handlers: Parameters<Promise<unknown>['catch']>) => start().catch(...handlers),
    finally: (...handlers: Parameters<Promise<unknown>['finally']>) => start().finally(...handlers),
  };
  return new Proxy(settled, {
    get(target, name) {
      if (typeof name === 'symbol') return undefined;
      return (
        target[name] ??
        ((...given: unknown[]) => pending({ ...read, on: (on) => call(read.on(on), name, ...given) }, run))
      );
    },
  });
}

async function refused(name: string): Promise<never> {
  throw new PgkeepError(
    'REPLICA_READ_ONLY',
    `Refused ${name} on $replica(): it is for reads outside of transactions. Nothing was changed.`,
    { hint: 'Call it on the client itself.' },
  );
}

function isOneOf<T extends string>(names: readonly T[], name: string): name is T {
  return names.some((known) => known === name);
}
