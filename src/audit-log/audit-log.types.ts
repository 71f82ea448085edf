/** The actions of pgkeep. The database checks only the shape of the name: a new action needs no migration. */
export type Action =
  | 'install'
  | 'stamp'
  | 'ddl-guard'
  | 'backup'
  | 'prune'
  | 'pin'
  | 'unpin'
  | 'restore'
  | 'restore-test'
  | 'globals'
  | 'export'
  | 'guard-override'
  | 'deploy'
  | 'rollback'
  | 'resolve'
  | 'accept-drift'
  | 'policy'
  | 'cleanup'
  | 'replay'
  | 'soft-delete'
  | 'restore-record'
  | 'hard-delete'
  | 'anonymize'
  | 'export-data'
  | 'hold'
  | 'release'
  | 'silence'
  | 'unsilence'
  | 'test-alert'
  | 'logins-refused'
  | 'end-sessions';

/** A value that jsonb can hold. */
export type Json =
  string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json | undefined };

/** What a writer records of an action; the database adds number, time, role and hash. */
export interface NewEntry {
  readonly action: Action;
  /** What the action concerns: a database, a backup. */
  readonly subject: string;
  /** Contains no secret: every role may read it. */
  readonly details: { readonly [name: string]: Json | undefined };
  /** Who did it: `operator()`, `service()`, or the person who asked by HTTP. */
  readonly actor: string;
}

/** Whether an action that was done is in the audit log. */
export interface Recording {
  readonly recorded: boolean;
  /** Where it is not: why, and what to do so that the next action is recorded. */
  readonly notRecorded?: string;
}

/** One entry of the audit log. */
export interface AuditLogEntry {
  readonly seq: number;
  /** ISO 8601, by the database's clock. */
  readonly recordedAt: string;
  /** Any name: a newer version may have recorded actions that this one does not know. */
  readonly action: string;
  /** The same as `action`. @deprecated since 0.2: the name before. */
  readonly deed: string;
  readonly subject: string;
  readonly details: unknown;
  /** The database role that logged in. */
  readonly role: string;
  /** Who did it, as stated by the writer: `user@host` or `service@host`. */
  readonly actor: string;
  readonly previousHash: string;
  readonly hash: string;
}

/** The newest entries, oldest first. */
export interface AuditLogReport {
  /** The number of all entries. */
  readonly total: number;
  readonly entries: readonly AuditLogEntry[];
}

/** A fault of the chain. */
export interface ChainFinding {
  readonly code:
    'ENTRY_CHANGED' | 'ENTRY_MISSING' | 'ENTRY_REPEATED' | 'ENTRY_REPLACED' | 'HEAD_NOT_FOUND' | 'GUARD_OFF';
  /** The first entry that does not fit; null where the finding concerns the complete log. */
  readonly seq: number | null;
  readonly text: string;
}

/** The verdict on the complete chain. */
export interface ChainReport {
  readonly verdict: 'whole' | 'broken';
  readonly entries: number;
  /** The last entry's hash, to keep elsewhere; null where there is no entry. */
  readonly head: string | null;
  /** The entry whose hash was given as the head kept elsewhere; null where none was given, or none has it. */
  readonly knownHead: number | null;
  readonly findings: readonly ChainFinding[];
}
