import type { Manifest } from '../../backup/backup.types.js';
import type { DatabaseUrl } from '../../config/database-url.js';
import type { EnvironmentName } from '../../config/settings.js';
import type { ReachedServer } from '../../postgres/session.js';
import type { ArchiveNeeds } from '../archive/archive-needs.js';
import type { Comparison, TableComparison } from '../comparison/comparison.js';

/** A server that restores are tested on. */
export interface ScratchServer {
  /** Connects to a database of it that is there already. */
  readonly url: DatabaseUrl;
  /** Whether it was made for this test and dies with it: then it may be given roles. */
  readonly isThrowAway: boolean;
  readonly close: () => Promise<void>;
}

/** A database that is restored into, and is gone (or empty again) afterwards. */
export interface Scratch {
  readonly kind: ScratchKind;
  readonly url: DatabaseUrl;
  readonly server: ReachedServer;
  /** Whether owners and grants can be restored there, too. */
  readonly withOwners: boolean;
  /** What cannot be checked there. */
  readonly notes: readonly string[];
  /** `15.18` */
  readonly serverVersion: string;
  /** The names of the settings that the server has. */
  readonly serverSettings: ReadonlySet<string>;
  /** Makes it empty again. */
  readonly renew: () => Promise<void>;
}

/** What the database is to be like. */
export interface ScratchPlan {
  /** After CREATE DATABASE name WITH. */
  readonly databaseOptions: string;
  /** Free space that it takes; undefined where that is not known. */
  readonly bytesNeeded: number | undefined;
  readonly needs: ArchiveNeeds;
  /** The backup, and what its manifest says. */
  readonly name: string;
  readonly manifest: Manifest;
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
