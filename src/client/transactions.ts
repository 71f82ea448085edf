import { AsyncLocalStorage } from 'node:async_hooks';
import type { Reason } from './client.types.js';

/** The interactive transaction that the current call runs in. */
export interface OpenTransaction {
  /** The client of the transaction. */
  readonly client: unknown;
  /** Why rows are corrected in it; undefined if no reason was given. */
  readonly reason: Reason | undefined;
}

/** Knows the open transaction of each call, so that the verbs join it also when they are called on the outer client. */
export class Transactions {
  private readonly storage = new AsyncLocalStorage<OpenTransaction>();

  get current(): OpenTransaction | undefined {
    return this.storage.getStore();
  }

  /** Runs the work in a transaction that was opened, until its last query is answered. */
  async run<T>(open: OpenTransaction, work: () => T | PromiseLike<T>): Promise<T> {
    // Prisma's queries begin when they are awaited, which has to be in here.
    return await this.storage.run(open, async () => await work());
  }
}
