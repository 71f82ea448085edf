import type { EnvironmentName } from '../config/settings.js';
import type { Catalogue } from './catalogue.types.js';

/** Why a backup was made. */
export const BACKUP_REASONS = ['scheduled', 'manual', 'pre-migration', 'pre-restore'] as const;
export type BackupReason = (typeof BACKUP_REASONS)[number];

/** One table's contents, counted and hashed in the snapshot that was dumped. */
export interface TableContents {
  /** schema.table, quoted where SQL needs it. */
  readonly name: string;
  readonly rows: number;
  /** See `contentHashMethod` of the manifest. */
  readonly contentHash: string;
}

/** One sequence, read before the dump began: the dump's value is the same or later. */
export interface SequenceState {
  readonly name: string;
  /** Null when it was never used. */
  readonly lastValue: string | null;
}

/** One applied migration of the guarded application. */
export interface AppliedMigration {
  readonly name: string;
  readonly checksum: string;
}

/** What a backup is: written last, so that a backup exists when its manifest does. */
export interface Manifest {
  readonly formatVersion: 1;
  readonly name: string;
  /** The archive's key, beside the manifest. */
  readonly archive: string;
  readonly environment: EnvironmentName;
  readonly reason: BackupReason;
  readonly database: string;
  readonly databaseOid: string;
  /** Null where the role may not ask for it. */
  readonly systemIdentifier: string | null;
  readonly serverVersion: string;
  readonly toolVersions: { readonly pgkeep: string; readonly pgDump: string };
  readonly encoding: string;
  readonly collation: string;
  readonly characterType: string;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly snapshotId: string;
  readonly format: 'custom';
  readonly compression: string;
  /** Null: not encrypted. */
  readonly encryption: { readonly recipients: readonly string[] } | null;
  readonly bytes: number;
  readonly sha256: string;
  /** Null where the database has no `_prisma_migrations`. */
  readonly migrations: readonly AppliedMigration[] | null;
  /** How `contentHash` was computed: the same expression compares a restored table. */
  readonly contentHashMethod: string;
  readonly tables: readonly TableContents[];
  readonly sequences: readonly SequenceState[];
  readonly catalogue: Catalogue;
}

export interface BackupOptions {
  /** Defaults to manual. */
  readonly reason?: BackupReason;
  /** Aborting it ends the backup in order: nothing is left. */
  readonly signal?: AbortSignal;
  /** Asked right before the manifest commits the backup: what it throws ends the backup, of which nothing is left. */
  readonly beforePublish?: () => Promise<void>;
}

/** What `pgkeep backup` answers. */
export interface BackupReport {
  readonly name: string;
  /** Where the archive is: the storage's location and the key. */
  readonly archive: string;
  readonly manifest: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly tables: number;
  readonly rows: number;
  readonly durationMs: number;
  /** Backups that earlier, killed runs began, and that this run cleared away. */
  readonly cleared: readonly string[];
}

/** One committed backup as the catalogue shows it. */
export interface BackupEntry {
  readonly name: string;
  readonly database: string;
  readonly environment: EnvironmentName;
  readonly reason: BackupReason;
  readonly finishedAt: string;
  readonly bytes: number;
  readonly encrypted: boolean;
  readonly pinned: boolean;
  readonly locations: readonly string[];
  /** The newest restore test's verdict; null while there is none. */
  readonly restoreTest: 'passed' | 'failed' | null;
}

/** Every committed backup, the newest first, and the manifests that cannot be read. */
export interface BackupList {
  readonly backups: readonly BackupEntry[];
  readonly unreadable: readonly string[];
}

/** One thing that is wrong with a backup. */
export interface VerificationFinding {
  readonly code:
    'ARCHIVE_MISSING' | 'SIZE_DIFFERS' | 'DIGEST_DIFFERS' | 'ARCHIVE_UNREADABLE' | 'NAME_DIFFERS';
  readonly details: string;
}

/** What `pgkeep backup verify` answers: every stored byte was read. */
export interface VerificationReport {
  readonly name: string;
  readonly verdict: 'passed' | 'failed';
  readonly findings: readonly VerificationFinding[];
}
