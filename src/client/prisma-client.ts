import { propertyOf } from '../core/errors.js';
import { GuardError } from './guard-error.js';

/** A query on its way through the extension. */
export interface Operation {
  /** Undefined for raw SQL. */
  readonly model?: string;
  readonly operation: string;
  readonly args: unknown;
  readonly query: (args: unknown) => Promise<unknown>;
  /** Prisma's own: which transaction the query belongs to. */
  readonly __internalParams?: unknown;
}

/** Calls a method of a Prisma client, or of a model in it. Its types are the application's, which the guard does not know. */
export function call(target: unknown, method: string, ...args: readonly unknown[]): unknown {
  return apply(propertyOf(target, method), target, args);
}

/** Calls a method as if it belonged to another object. */
export function apply(method: unknown, self: unknown, args: readonly unknown[]): unknown {
  if (typeof method !== 'function') {
    throw new GuardError('This is not a Prisma client.', 'USAGE_INVALID', {
      hint: 'Pass the extension to the client: new PrismaClient({ adapter }).$extends(pgkeepGuard()).',
    });
  }
  return Reflect.apply(method, self, args);
}

/** Returns the schema that Prisma writes into the clients it generates. */
export function schemaOf(client: unknown): string | undefined {
  const schema = propertyOf(propertyOf(client, '_engineConfig'), 'inlineSchema');
  return typeof schema === 'string' ? schema : undefined;
}

/** Returns the kind of transaction that a query belongs to: `batch`, `itx` (interactive), or none. */
export function transactionKind({ __internalParams: internal }: Operation): unknown {
  return propertyOf(propertyOf(internal, 'transaction'), 'kind');
}

/** Checks for the client of an interactive transaction: Prisma takes away what belongs to a connection. */
export function isTransactionClient(client: unknown): boolean {
  return propertyOf(client, '$connect') === undefined;
}

/** Returns a method that is given the object it is called on: a client or a model, with every other extension. */
export function methodOf<Given extends unknown[]>(
  perform: (self: unknown, ...given: Given) => unknown,
): (...given: Given) => unknown {
  return function method(this: unknown, ...given) {
    return perform(this, ...given);
  };
}
