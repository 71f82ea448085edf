import { types } from 'node:util';

/**
 * In Jest, errors of Node's core belong to another realm than the tests' `Error`: the SDKs, which check
 * `instanceof Error` before they retry, would not recognise a broken connection. Imported first, this corrects it.
 */
const ordinary = Function.prototype[Symbol.hasInstance];

Object.defineProperty(Error, Symbol.hasInstance, {
  value(this: unknown, candidate: unknown): boolean {
    return (this === Error && types.isNativeError(candidate)) || ordinary.call(this, candidate);
  },
});
