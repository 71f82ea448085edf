// `pgkeep/client`: for the application's own Prisma client. It loads nothing of Nest.
export { pgkeepGuard } from './client/guard.js';
export { GuardError } from './client/guard-error.js';
export {
  createGuardedAdapter,
  createGuardedPool,
  createReplicaAdapter,
  type GuardedAdapter,
  type GuardedPoolOptions,
} from './client/guarded-adapter.js';
export type { GuardedPool } from './client/guarded-pool.js';
export type {
  Actor,
  GuardExtension,
  GuardOptions,
  Reason,
  Receipt,
  RetainedRows,
  SoftDelete,
  TransactionOptions,
  UserData,
  WithReason,
} from './client/client.types.js';
export { PgkeepError, type ErrorCode } from './core/errors.js';
