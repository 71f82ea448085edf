import { AsyncLocalStorage } from 'node:async_hooks';
import type { Actor } from './client.types.js';

const actors = new AsyncLocalStorage<() => Actor | undefined>();

/**
 * Runs work on behalf of an actor, which `currentActor()` returns in everything that the work calls.
 * @param actor is called when the actor is asked for
 */
export function runAsActor<T>(actor: () => Actor | undefined, work: () => T): T {
  return actors.run(actor, work);
}

/** Returns who is calling, for `pgkeepGuard({ actor: currentActor })`; undefined outside of {@link runAsActor}. */
export function currentActor(): Actor | undefined {
  return actors.getStore()?.();
}
