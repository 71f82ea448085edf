/** What an application uses in its own Prisma client: `pgkeep/client`. Loads nothing of Nest. */
export {
  createGuardedAdapter,
  createGuardedPool,
  createReplicaAdapter,
  type GuardedAdapter,
  type GuardedPoolOptions,
} from './client/guarded-adapter.js';
export type { GuardedPool } from './client/guarded-pool.js';
export { PgkeepError, type ErrorCode } from './core/errors.js';
