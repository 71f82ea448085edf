// `pgkeep/client`: for the application's own Prisma client. It loads nothing of Nest.
export { pgkeepGuard } from './client/guard.js';
export { GuardError } from './client/guard-error.js';
export type {
  Actor,
  GuardExtension,
  GuardOptions,
  Reason,
  TransactionOptions,
  WithReason,
} from './client/client.types.js';
