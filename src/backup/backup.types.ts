import type { Recording } from '../audit-log/audit-log.types.js';
import type { ArchiveFormat, EnvironmentName } from '../config/settings.js';
import type { Catalogue } from '../postgres/catalogue/read-catalogue.js';
import type { Omission } from './create/completeness.js';
import type { LocaleFacts } from './create/database-facts.js';

/** How an archive is encrypted. Holds nothing that opens it. */
export interface ArchiveEncryption {
  /** age recipients (`age1…`), or the one word `passphrase`. */
  readonly recipients: readonly string[];
  /** Of the archive inside. */
  readonly plainBytes: number;
  readonly plainSha256: string;
}

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
  /** Without the generated columns, which a restore computes anew; absent where there are none. */
  readonly writtenHash?: string | undefined;
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
  /**
   * The backup that is restored after this `pre-restore` backup, or that was made before the deploy that a rollback undoes
   * after this `pre-migration` backup; null or absent (earlier versions): none.
   */
  readonly origin?: string | null | undefined;
  readonly database: string;
  readonly databaseOid: string;
  /** The size that the database had, with its dead rows; absent in manifests of earlier versions. */
  readonly databaseBytes?: number | undefined;
  /** Null where the role may not ask for it. */
  readonly systemIdentifier: string | null;
  readonly serverVersion: string;
  readonly toolVersions: { readonly pgkeep: string; readonly pgDump: string };
  readonly encoding: string;
  readonly collation: string;
  readonly characterType: string;
  /** Absent in manifests of earlier versions: libc's. */
  readonly locale: LocaleFacts | undefined;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly snapshotId: string;
  /** `custom`: pg_dump's own format, for pg_restore. `plain`: SQL, gzipped, for psql. */
  readonly format: ArchiveFormat;
  readonly compression: string;
  /** Null: not encrypted. */
  readonly encryption: ArchiveEncryption | null;
  /** Of the stored archive, encrypted where it is. */
  readonly bytes: number;
  readonly sha256: string;
  /** Null where the database has no `_prisma_migrations`. */
  readonly migrations: readonly AppliedMigration[] | null;
  /** How `contentHash` was computed: the same expression compares a restored table. */
  readonly contentHashMethod: string;
  readonly tables: readonly TableContents[];
  readonly sequences: readonly SequenceState[];
  readonly catalogue: Catalogue;
  /** What of the database the dump does not hold; absent in manifests of earlier versions. */
  readonly without?: readonly Omission[] | undefined;
  /** Subscriptions that the dump holds, and that no restore creates; absent in manifests of earlier versions. */
  readonly subscriptions?: readonly string[] | undefined;
  /** What only a superuser can restore, such as `event trigger audit`; absent in manifests of earlier versions. */
  readonly superuserObjects?: readonly string[] | undefined;
  /** What a restore of it will fail at, and what to change. */
  readonly warnings?: readonly string[] | undefined;
}

/** How far a backup is. */
export interface BackupProgress {
  readonly phase: 'dumping' | 'reading back' | 'copying to the buckets';
  /** Of this phase, so far; null where it is not counted. */
  readonly bytes: number | null;
  /** What they will be: the last backup's while dumping, and the archive's own while reading back. */
  readonly expectedBytes: number | undefined;
}

/** Is told for every chunk; it must be quick, and must not throw. */
export type ProgressListener = (progress: BackupProgress) => void;

export interface BackupOptions {
  /** Defaults to manual. */
  readonly reason?: BackupReason;
  /**
   * Of a `pre-restore` backup: the backup that is restored. Of a rollback's `pre-migration` backup: the one before the
   * deploy that is undone. Retention keeps that one as long as this one.
   */
  readonly origin?: string | undefined;
  /** Who the record names. Defaults to the operator: `user@host`. */
  readonly actor?: string;
  readonly onProgress?: ProgressListener | undefined;
  /** Aborting it ends the backup in order: nothing is left. */
  readonly signal?: AbortSignal;
  /** Asked right before the manifest commits the backup: what it throws ends the backup, of which nothing is left. */
  readonly beforePublish?: () => Promise<void>;
}

/** What `pgkeep backup` answers. */
export interface BackupReport extends Recording {
  readonly name: string;
  /** Where the archive is: the storage's location and the key. */
  readonly archive: string;
  readonly manifest: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly tables: number;
  readonly rows: number;
  readonly durationMs: number;
  readonly encrypted: boolean;
  /** What could not be proven on this machine, and what is missing for it. */
  readonly notChecked: readonly string[];
  /** What of the database is not in it, such as `the subscription feed`; empty where nothing is missing. */
  readonly without: readonly string[];
  /** Why, with what to do about it; what pg_dump warned of; what a restore will need. */
  readonly notes: readonly string[];
  /** What a restore of it will fail at, and what to change. */
  readonly warnings: readonly string[];
  /** Every place that has the whole of it: the directory, then the buckets. */
  readonly locations: readonly string[];
  /** Backups that earlier, killed runs began, and that this run cleared away. */
  readonly cleared: readonly string[];
}

/** One committed backup as the catalogue shows it. */
export interface BackupEntry {
  readonly name: string;
  readonly database: string;
  readonly environment: EnvironmentName;
  /** The database server's; null where the role could not ask for it. */
  readonly systemIdentifier: string | null;
  readonly reason: BackupReason;
  /** The backup that was restored after this one was made; null where none was. */
  readonly origin: string | null;
  readonly finishedAt: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly encrypted: boolean;
  readonly pinned: boolean;
  /** Every place that has it. */
  readonly locations: readonly string[];
  /** What of the database is not in it, such as `the subscription feed`; empty where nothing is missing. */
  readonly without: readonly string[];
  /** The newest restore test's verdict; null while there is none. */
  readonly restoreTest: 'passed' | 'failed' | null;
}

/** A bucket that could not be asked. */
export interface UnreachablePlace {
  readonly location: string;
  /** Why. */
  readonly message: string;
}

/** Every committed backup, the newest first, the manifests that cannot be read, the buckets that do not answer. */
export interface BackupList {
  readonly backups: readonly BackupEntry[];
  readonly unreadable: readonly string[];
  readonly unreachable: readonly UnreachablePlace[];
}

/** What `pgkeep backup upload` answers. */
export interface UploadReport {
  /** The backups that were asked for, or that a bucket did not have, and where they are now. */
  readonly backups: readonly { readonly name: string; readonly locations: readonly string[] }[];
  /** Backups whose killed uploads were cleared away first. */
  readonly cleared: readonly string[];
}

export interface PinOptions {
  /** Why it is kept, for whoever wonders later. */
  readonly because?: string | undefined;
  /** Who the record names. Defaults to the operator: `user@host`. */
  readonly actor?: string;
}

/** What `pgkeep backup pin` and `unpin` answer. */
export interface PinReport extends Recording {
  readonly name: string;
  readonly pinned: boolean;
  /** Whether anything changed: a backup that is pinned can be pinned again, for another reason. */
  readonly changed: boolean;
}

/** One thing that is wrong with a backup. */
export interface VerificationFinding {
  readonly code:
    | 'ARCHIVE_MISSING'
    | 'SIZE_DIFFERS'
    | 'DIGEST_DIFFERS'
    | 'PLAIN_DIGEST_DIFFERS'
    | 'ARCHIVE_UNREADABLE'
    | 'NAME_DIFFERS'
    | 'COPY_UNREADABLE';
  readonly details: string;
}

/** What is wrong with one copy of a backup. */
export interface CopyFinding extends VerificationFinding {
  /** Which copy. */
  readonly location: string;
}

/** What `pgkeep backup verify` answers: every stored byte of every copy was read. */
export interface VerificationReport {
  readonly name: string;
  readonly verdict: 'passed' | 'failed';
  /** What of the database is not in the backup, by its manifest: a passed one holds everything but this. */
  readonly without: readonly string[];
  readonly findings: readonly CopyFinding[];
  /** Every place that has a copy, or that could not say. */
  readonly locations: readonly string[];
  /** What could not be looked at, and what is missing for it: the key of an encrypted archive. */
  readonly notChecked: readonly string[];
}

/** What `pgkeep backup globals` answers. */
export interface GlobalsReport extends Recording {
  /** Where it went: the storage's location and the key. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly roles: number;
  readonly tablespaces: number;
  /** Whether the password hashes are in it: only where the role may read them. */
  readonly passwords: boolean;
  readonly encrypted: boolean;
}

/** Whether a backup was made before a restore or a deploy, of a database that may be damaged or half changed. */
export function isSafetyBackup(reason: BackupReason | undefined): boolean {
  return reason === 'pre-restore' || reason === 'pre-migration';
}
