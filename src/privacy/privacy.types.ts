import type { Known } from '../core/known.js';
import type { Referring } from './erase-plan.js';

/** What can be done with a record. */
export type RecordAction = 'soft-delete' | 'restore-record' | 'hard-delete' | 'anonymize';

/** The key of a record: the values of its fields, by their names in the Prisma schema. */
export type RecordKey = Readonly<Record<string, unknown>>;

/** A record, as a person names it. */
export interface RecordName {
  /** The model of the Prisma schema. */
  readonly model: string;
  /** The value of the key; of a key with several fields, the values with commas between, or a JSON object. */
  readonly id: string;
}

/** Who asks for an action on a record, and why. */
export interface ActionRequest {
  /** Of at most 200 characters. */
  readonly by: string;
  /** Of at most 2,000 characters. It should name no person. */
  readonly because: string;
  /** The actor of the audit-log entry. Defaults to the operator: `user@host`. */
  readonly actor?: string;
}

/** Options of an action. */
export interface ActionOptions {
  /** The id once more: required for an erasure in production. */
  readonly confirm?: string | undefined;
  /** Returns until when backups contain what is erased. */
  readonly copies?: () => Promise<Known<BackupCopies>>;
}

/** Until when the backups that exist now are kept. */
export interface BackupCopies {
  /** How many backups there are. */
  readonly backups: number;
  /** ISO 8601: when the last of them is pruned, if a backup is made each day; null without a backup. */
  readonly until: string | null;
  /** Backups that are kept as long as they are pinned. */
  readonly pinned: readonly string[];
}

/** Rows of a model that stay by law although the person asks. */
export interface RetainedRows {
  readonly model: string;
  readonly rows: number;
  readonly because: string;
}

/** What an action did: proof for the person who asked, without her data. */
export interface Receipt {
  /** The action's UUID, which names it in the ledger, beside the backups and in the audit log. */
  readonly action: string;
  readonly what: RecordAction;
  readonly model: string;
  readonly id: string;
  /** ISO 8601, by the database's clock. */
  readonly at: string;
  readonly by: string;
  /** The number of affected rows of each model. */
  readonly rows: Readonly<Record<string, number>>;
  readonly retained: readonly RetainedRows[];
  /** Rows that still refer to a record that was marked as deleted. */
  readonly referring: readonly Pick<Referring, 'model' | 'rows' | 'to'>[];
  /** ISO 8601: when the grace period of a mark ends, and a cleanup erases it; null if it is not marked, or never erased. */
  readonly keptUntil: string | null;
  /** The SHA-256 of the action's lines in the ledger. */
  readonly ledgerDigest: string;
  /** Until when backups contain what was erased; null for an action that erases nothing. */
  readonly copies: Known<BackupCopies> | null;
}

/** The result of an export. */
export interface SubjectExport {
  readonly action: string;
  readonly model: string;
  readonly id: string;
  readonly file: string;
  /** The page for people. */
  readonly page: string | null;
  readonly bytes: number;
  readonly rows: Readonly<Record<string, number>>;
  readonly retained: readonly RetainedRows[];
  readonly omitted: readonly string[];
}

/** The result of a hold, or of its release. */
export interface HoldReport {
  readonly model: string;
  readonly id: string;
  /** Whether anything changed. */
  readonly changed: boolean;
  readonly held: boolean;
  /** `2027-03-31`, the last day; null without an end. */
  readonly until: string | null;
}

/** An action of the ledger. */
export interface LoggedAction {
  readonly action: string;
  readonly what: string;
  /** ISO 8601. */
  readonly at: string;
  readonly by: string | null;
  readonly role: string;
  /** The number of rows of each table, by what was done with them: `deleted public.users`. */
  readonly rows: Readonly<Record<string, number>>;
}

/** Actions of the ledger, oldest first. */
export interface PrivacyLog {
  /** The number of all. */
  readonly total: number;
  readonly actions: readonly LoggedAction[];
}
