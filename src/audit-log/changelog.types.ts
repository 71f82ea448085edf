/** What pgkeep does to a database. The database checks the shape of the name only: a new deed needs no migration. */
export type Deed =
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
  | 'accept-drift';

/** A value that jsonb can hold. */
export type Json =
  string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json | undefined };

/** What a writer tells of a deed; the database adds number, time, role and hash. */
export interface NewEntry {
  readonly deed: Deed;
  /** What it was done to: a database, a backup. */
  readonly subject: string;
  /** Holds no secret: everybody may read it. */
  readonly details: { readonly [name: string]: Json | undefined };
  /** Who did it: `operator()`, or `service()`. */
  readonly actor: string;
}

/** Whether a deed that was done is in the record. */
export interface Recording {
  readonly recorded: boolean;
  /** Where it is not: why, and what to do that the next one will be. */
  readonly notRecorded?: string;
}

/** One recorded deed. */
export interface ChangelogEntry {
  readonly seq: number;
  /** ISO 8601, by the database's clock. */
  readonly recordedAt: string;
  /** Any name: a newer pgkeep may have recorded deeds that this one does not know. */
  readonly deed: string;
  readonly subject: string;
  readonly details: unknown;
  /** The database role that logged in. */
  readonly role: string;
  /** Who said to have done it. */
  readonly actor: string;
  readonly previousHash: string;
  readonly hash: string;
}

/** The newest entries, oldest first. */
export interface ChangelogReport {
  /** How many there are in all. */
  readonly total: number;
  readonly entries: readonly ChangelogEntry[];
}

/** What is wrong with the record. */
export interface ChainFinding {
  readonly code:
    'ENTRY_CHANGED' | 'ENTRY_MISSING' | 'ENTRY_REPEATED' | 'ENTRY_REPLACED' | 'HEAD_NOT_FOUND' | 'GUARD_OFF';
  /** The first entry that does not fit; null where the finding is about the record as a whole. */
  readonly seq: number | null;
  readonly text: string;
}

/** The verdict on the whole chain. */
export interface ChainReport {
  readonly verdict: 'whole' | 'broken';
  readonly entries: number;
  /** The last entry's hash, to keep elsewhere; null where there is no entry. */
  readonly head: string | null;
  /** The entry whose hash was given as the head kept elsewhere; null where none was given, or none has it. */
  readonly knownHead: number | null;
  readonly findings: readonly ChainFinding[];
}
