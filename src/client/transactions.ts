import { AsyncLocalStorage } from 'node:async_hooks';
import type { Reason } from './client.types.js';

/** The interactive transaction that the current call runs in. */
export interface OpenTransaction {
  /** The client of the transaction. */
  readonly client: unknown;
  /** Why rows are corrected in it; undefined if no reason was given. */
  readonly reason: Reason | undefined;
}

interface Scope {
  readonly transaction: OpenTransaction;
  readonly outer: Scope | undefined;
  hasEnded: boolean;
}

/** Knows the open transaction of each call, so that the verbs join it also when they are called on the outer client. */
export class Transactions {
  private readonly storage = new AsyncLocalStorage<Scope>();

  /** What a transaction has started may outlive it: a timer, an event. It is in no transaction then. */
  get current(): OpenTransaction | undefined {
    let scope = this.storage.getStore();
    while (scope?.hasEnded) scope = scope.outer;
    return scope?.transaction;
  }

  /** Runs the work in a transaction that was opened, until its last query is answered. */
  async run<T>(transaction: OpenTransaction, work: () => T | PromiseLike<T>): Promise<T> {
    const scope: Scope = { transaction, outer: this.storage.getStore(), hasEnded: false };
    try {
      // Prisma's queries begin when they are awaited, which has to be in here.
      return await this.storage.run(scope, async () => await work());
    } finally {
      scope.hasEnded = true;
    }
  }
}
