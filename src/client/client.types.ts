import type { Types } from '@prisma/client/runtime/client';

/** Who did something: stored as text, or as the type of the model's `deletedBy`. */
export type Actor = string | number | bigint;

/** The options of `pgkeepGuard`. */
export interface GuardOptions {
  /** The text of the Prisma schema, for a client that does not carry it. */
  readonly schema?: string;
  /** Returns who is calling: the `deletedBy` of rows that a plain `delete` marks, and of verbs that do not say. */
  readonly actor?: () => Actor | undefined;
  /** For how many days a soft-deleted row is kept. Default: SOFT_DELETE_GRACE_PERIOD_DAYS of the environment, or 30. */
  readonly gracePeriodDays?: number;
  /** The model whose rows are the users of `exportUserData` and `anonymizeUser`. Default: `User`, or the only subject. */
  readonly user?: string;
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

/** Rows of a model that stay by law although the person asks. */
export interface RetainedRows {
  readonly model: string;
  readonly rows: number;
  readonly because: string;
}

/** What a verb did. */
export interface Receipt {
  /** The action's UUID, which names it in the ledger. */
  readonly action: string;
  readonly model: string;
  readonly id: unknown;
  /** The number of affected rows of each model. */
  readonly rows: Readonly<Record<string, number>>;
  readonly retained: readonly RetainedRows[];
}

/** Everything that belongs to a person, as `exportUserData` returns it. */
export interface UserData {
  readonly format: string;
  readonly subject: { readonly model: string; readonly id: unknown };
  /** ISO 8601. */
  readonly exportedAt: string;
  /** The rows of each model, with the names of the Prisma schema; deleted rows too. */
  readonly data: Readonly<Record<string, readonly unknown[]>>;
  /** How many rows refer to the person without belonging to her, by `Model.field`. */
  readonly madeBySubject: Readonly<Record<string, number>>;
  readonly retained: readonly RetainedRows[];
  /** What is left out, as `Model.field`: passwords and other secrets. */
  readonly omitted: readonly string[];
}

/**
 * The verbs of soft deletion and erasure. Each is one transaction, or a part of the one that is open. An id is the value
 * of the key, or an object with the values of its fields.
 * @template Model the names of the models: `Prisma.ModelName`
 */
export interface SoftDelete<Model extends string> {
  /** Marks a row as deleted, and what its deletion would cascade to. */
  softDelete(model: Model, id: unknown, deletedBy?: Actor, reason?: string): Promise<Receipt>;
  /** Removes the marks that a soft deletion set. */
  restore(model: Model, id: unknown, by?: Actor, reason?: string): Promise<Receipt>;
  /** Deletes a row and what it owns immediately, and for good. */
  hardDelete(model: Model, id: unknown, by?: Actor, reason?: string): Promise<Receipt>;
  /** Returns everything that belongs to a user. */
  exportUserData(userId: unknown): Promise<UserData>;
  /** Replaces the personal values of a user, and of what she owns, for good. */
  anonymizeUser(userId: unknown, by?: Actor, reason?: string): Promise<Receipt>;
}

/** What the extension adds to a client, as Prisma's `$extends` reads it. */
export interface GuardArguments<Model extends string> extends Omit<Types.Extensions.DefaultArgs, 'client'> {
  readonly client: {
    readonly softDelete: () => SoftDelete<Model>;
    readonly $withReason: () => WithReason;
  };
}

/** A client that was extended, as Prisma's `$extends` reads it. */
export interface Extended<Model extends string> {
  readonly $extends: { readonly extArgs: GuardArguments<Model> };
}

/** The extension, for `$extends` of a Prisma client. */
export type GuardExtension<Model extends string> = (client: object) => Extended<Model>;
