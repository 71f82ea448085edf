import type { Manifest } from '../../backup/backup.types.js';
import type { DatabaseUrl } from '../../config/database-url.js';
import type { EnvironmentName } from '../../config/settings.js';
import type { ErasuresSince } from '../../privacy/replay/plan-replay.js';
import type { ReachedServer } from '../../postgres/session.js';
import type { ArchiveNeeds } from '../archive/archive-needs.js';
import type { Comparison, TableComparison } from '../comparison/comparison.js';

/** A server that restores are tested on. */
export interface ScratchServer {
  /** The URL of an existing database on it. */
  readonly url: DatabaseUrl;
  /** Whether it was started for this test and is removed after it: roles may be created on it. */
  readonly isThrowAway: boolean;
  readonly close: () => Promise<void>;
}

/** The database that a test restores into. It is dropped, or emptied, afterwards. */
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

/** The requirements on a scratch database. */
export interface ScratchPlan {
  /** The options after CREATE DATABASE name WITH. */
  readonly databaseOptions: string;
  /** The free space that it needs; undefined if that is not known. */
  readonly bytesNeeded: number | undefined;
  readonly needs: ArchiveNeeds;
  /** The backup's name. */
  readonly name: string;
  readonly manifest: Manifest;
}

/** Where a restore was tested. The values are in the evidence of earlier versions. */
export type ScratchKind = 'throw-away cluster' | 'fresh database' | 'given database';

/** Where a restore was tested, for texts. */
export const SCRATCH_TEXTS: Readonly<Record<ScratchKind, string>> = {
  'throw-away cluster': 'a temporary PostgreSQL server',
  'fresh database': 'a new database on the server of TEST_DATABASE_URL',
  'given database': 'the database of TEST_DATABASE_URL',
};

/** The result of a restore test for an auditor, chained to the previous evidence by its hash. Contains no secret. */
export interface Evidence {
  readonly formatVersion: 1;
  readonly backup: string;
  readonly database: string;
  readonly environment: EnvironmentName;
  /** When the backup was finished, ISO 8601. */
  readonly backupFinishedAt: string;
  readonly verdict: 'passed' | 'failed';
  /** What the backup does not contain of the database, and was not tested. Absent in evidence of earlier versions. */
  readonly without?: readonly string[];
  readonly comparisons: readonly Comparison[];
  readonly tables: readonly TableComparison[];
  /**
   * What was erased since the backup, and a restore of it erases again: the test does not. Null if that is not known;
   * absent in evidence of earlier versions.
   */
  readonly erasures?: ErasuresSince | null;
  /** What could not be checked, or a person should read. */
  readonly notes: readonly string[];
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly durationMs: number;
  /** The measured recovery time: pg_restore alone. Null if it did not finish. */
  readonly restoreMs: number | null;
  /** How long the comparison took. Null if it did not finish. */
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
  /** The hash of the previous evidence; 64 zeros in the first one, null if the database could not be read. */
  readonly previousHash: string | null;
}

/** The evidence of a restore test, and where it was stored. */
export interface RestoreTestReport extends Evidence {
  /** sha256 of the evidence. */
  readonly hash: string;
  /** The evidence's number in the database; null if it could not be written there. */
  readonly number: number | null;
  /** Why it could not be written there. */
  readonly notRecorded: string | null;
}

/** The options of a restore test. */
export interface RestoreTestOptions {
  /** The backup's name, or one of its files. Defaults to the newest of this database and environment. */
  readonly backup?: string | undefined;
  /** Aborting it stops the test cleanly: nothing is left behind, and there is no verdict. */
  readonly signal?: AbortSignal;
  /** Who tests, for the audit log. Defaults to the user of the operating system. */
  readonly actor?: string;
}

/** One restore test as the history shows it. */
export interface RestoreTestEntry {
  readonly number: number;
  readonly backup: string;
  readonly environment: string;
  readonly verdict: 'passed' | 'failed';
  /** What the backup does not contain of the database. */
  readonly without: readonly string[];
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly durationMs: number;
  readonly archiveSha256: string;
  readonly hash: string;
}

/** The newest restore tests, newest first, and whether the chain of all evidence is intact. */
export interface RestoreTestHistory {
  readonly total: number;
  readonly tests: readonly RestoreTestEntry[];
  /** What is wrong with the first evidence that breaks the chain; null if the chain is intact. */
  readonly chainFault: string | null;
}
