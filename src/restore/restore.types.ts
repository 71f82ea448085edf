import type { EnvironmentName } from '../config/settings.js';

/** One thing that a restored database was compared in. */
export interface Comparison {
  readonly name: ComparisonName;
  readonly ok: boolean;
  /** What was found, in one line; what differs, by name. */
  readonly details: string;
  /** What differs, as no restore can avoid it (docs/backup-comparison.md); it fails nothing. */
  readonly reported: readonly string[];
  /** What is lost or wrong, each by the name that `pgkeep restore --despite` takes. Empty where `ok`. */
  readonly findings: readonly Finding[];
}

/** One thing that a restored database lacks or has otherwise than the backup. */
export interface Finding {
  /** `indexes:public.ledger_amount` */
  readonly name: string;
  readonly details: string;
}

/** What a restore is compared in, in the order that reports show. */
export type ComparisonName =
  | 'archive'
  | 'restore'
  | 'tables'
  | 'rows'
  | 'contents'
  | 'relations'
  | 'columns'
  | 'constraints'
  | 'indexes'
  | 'triggers'
  | 'rowSecurity'
  | 'extensions'
  | 'sequences'
  | 'foreignKeys'
  | 'migrations';

/** One table, expected and found. */
export interface TableComparison {
  readonly name: string;
  /** Null: the backup has no such table. */
  readonly expectedRows: number | null;
  /** Null: the restored database has no such table, or it was not reached. */
  readonly foundRows: number | null;
  readonly sameContents: boolean;
  /** Why it differs, where no restore can avoid it. Absent where it does not differ, or that is a finding. */
  readonly reported?: string | undefined;
}

/** Where a restore was tested. */
export type ScratchKind = 'throw-away cluster' | 'fresh database' | 'given database';

/** What an auditor keeps: everything that was found, chained to the evidence before. Holds no secret. */
export interface Evidence {
  readonly formatVersion: 1;
  readonly backup: string;
  readonly database: string;
  readonly environment: EnvironmentName;
  /** When the backup was finished, ISO 8601. */
  readonly backupFinishedAt: string;
  readonly verdict: 'passed' | 'failed';
  /** What of the database was not in the backup: `passed` says nothing about it. Absent in evidence of earlier versions. */
  readonly without?: readonly string[];
  readonly comparisons: readonly Comparison[];
  readonly tables: readonly TableComparison[];
  /** What could not be checked, or deserves a look. */
  readonly notes: readonly string[];
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly durationMs: number;
  /** The measured recovery time: pg_restore alone. Null where it did not come to its end. */
  readonly restoreMs: number | null;
  /** Null where the comparison did not come to its end. */
  readonly compareMs: number | null;
  readonly restoredTo: ScratchKind;
  readonly versions: {
    readonly pgkeep: string;
    readonly pgRestore: string | null;
    /** The server that was restored into. */
    readonly server: string | null;
    /** The server that was dumped. */
    readonly dumpedServer: string;
    readonly pgDump: string;
  };
  readonly archive: { readonly name: string; readonly bytes: number; readonly sha256: string };
  /** Hash of the evidence before; 64 zeros in the first, null where the database could not be asked. */
  readonly previousHash: string | null;
}

/** What `pgkeep restore test` answers. */
export interface RestoreTestReport extends Evidence {
  /** sha256 of the evidence. */
  readonly hash: string;
  /** The evidence's number in the database; null where it could not be written there. */
  readonly number: number | null;
  /** Why it could not be. */
  readonly notRecorded: string | null;
}

export interface RestoreTestOptions {
  /** The backup's name, or one of its files. Defaults to the newest of this database and environment. */
  readonly backup?: string | undefined;
  /** Aborting it ends the test in order: nothing is left, and there is no verdict. */
  readonly signal?: AbortSignal;
  /** Who tests, for the changelog. Defaults to the user of the operating system. */
  readonly actor?: string;
}

/** One restore test as the history shows it. */
export interface RestoreTestEntry {
  readonly number: number;
  readonly backup: string;
  readonly environment: string;
  readonly verdict: 'passed' | 'failed';
  /** What of the database was not in the backup. */
  readonly without: readonly string[];
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly durationMs: number;
  readonly archiveSha256: string;
  readonly hash: string;
}

/** The newest restore tests, the newest first, and whether the chain of all of them is whole. */
export interface RestoreTestHistory {
  readonly total: number;
  readonly tests: readonly RestoreTestEntry[];
  /** The first evidence that does not fit; null where the chain is whole. */
  readonly chainFault: string | null;
}
