import { types } from 'node:util';

/**
 * Inside Jest, errors of Node's core are of another realm than the tests' `Error`: the SDKs, which ask
 * `instanceof Error` before they retry, would not know a broken connection. Imported first, this makes them.
 */
const ordinary = Function.prototype[Symbol.hasInstance];

Object.defineProperty(Error, Symbol.hasInstance, {
  value(this: unknown, candidate: unknown): boolean {
    return (this === Error && types.isNativeError(candidate)) || ordinary.call(this, candidate);
  },
});
