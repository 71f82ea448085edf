// `pgkeep/client`: for the application's own Prisma client. It loads nothing of Nest.
export { pgkeepGuard } from './client/guard.js';
export { GuardError } from './client/guard-error.js';
export {
  createGuardedAdapter,
  createGuardedPool,
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
export { currentActor, runAsActor } from './client/actor.js';
export { pgkeepReplica, type ReplicaExtension, type ReplicaOptions } from './client/replica.js';
export type { ReplicaState } from './client/replica-monitor.js';
export type { ReplicaReads } from './client/replica-reads.js';
export { PgkeepError, type ErrorCode } from './core/errors.js';
