import type { Types } from '@prisma/client/runtime/client';

/** Who did something: stored as text, or as the type of the model's `deletedBy`. */
export type Actor = string | number | bigint;

/** The options of `pgkeepGuard`. */
export interface GuardOptions {
  /** The text of the Prisma schema, for a client that does not carry it. */
  readonly schema?: string;
  /** Returns who is calling: the `deletedBy` of rows that a plain `delete` marks. */
  readonly actor?: () => Actor | undefined;
  /** For how many days a soft-deleted row is kept: SOFT_DELETE_GRACE_PERIOD_DAYS. Default: 30. */
  readonly gracePeriodDays?: number;
}

/** Why rows are corrected, and who corrects them: both are recorded. */
export interface Reason {
  readonly reason: string;
  readonly by?: Actor;
}

/** Prisma's options of an interactive transaction. */
export interface TransactionOptions {
  readonly maxWait?: number;
  readonly timeout?: number;
  readonly isolationLevel?: 'ReadUncommitted' | 'ReadCommitted' | 'RepeatableRead' | 'Serializable';
}

/** What a transaction's client lacks of the client that it belongs to. */
type Outside = '$connect' | '$disconnect' | '$on' | '$extends';

/** Runs work in a transaction in which rows that take corrections can be changed. */
export type WithReason = <Client, Result>(
  this: Client,
  reason: Reason,
  work: (tx: Omit<Client, Outside>) => Promise<Result>,
  options?: TransactionOptions,
) => Promise<Result>;

/** What the extension adds to a client, as Prisma's `$extends` reads it. */
export interface GuardArguments extends Omit<Types.Extensions.DefaultArgs, 'client'> {
  readonly client: {
    readonly $withReason: () => WithReason;
  };
}

/** A client that was extended, as Prisma's `$extends` reads it. */
export interface Extended {
  readonly $extends: { readonly extArgs: GuardArguments };
}

/** The extension, for `$extends` of a Prisma client. */
export type GuardExtension = (client: object) => Extended;
