import type { Recording } from '../audit-log/audit-log.types.js';
import type { ArchiveFormat, EnvironmentName } from '../config/settings.js';
import type { Catalogue } from '../postgres/catalogue/read-catalogue.js';
import type { Omission } from './omissions.js';
import type { LocaleFacts } from './create/database-facts.js';

/** How an archive is encrypted, without any secret. */
export interface ArchiveEncryption {
  /** age recipients (`age1…`), or the single word `passphrase`. */
  readonly recipients: readonly string[];
  /** Size and digest of the archive before it was encrypted. */
  readonly plainBytes: number;
  readonly plainSha256: string;
}

/** Why a backup was made. */
export const BACKUP_REASONS = ['scheduled', 'manual', 'pre-migration', 'pre-restore'] as const;
export type BackupReason = (typeof BACKUP_REASONS)[number];

/** One table's rows, counted and hashed in the snapshot that was dumped. */
export interface TableContents {
  /** schema.table, quoted where SQL needs it. */
  readonly name: string;
  readonly rows: number;
  /** See `contentHashMethod` of the manifest. */
  readonly contentHash: string;
  /** The hash without the generated columns, which a restore computes again; absent if there are none. */
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

/** The description of a backup. It is written last: a backup exists when its manifest exists. */
export interface Manifest {
  readonly formatVersion: 1;
  readonly name: string;
  /** The key of the archive, in the same place as the manifest. */
  readonly archive: string;
  readonly environment: EnvironmentName;
  readonly reason: BackupReason;
  /**
   * Of a `pre-restore` backup: the backup that was restored after it. Of the `pre-migration` backup of a rollback: the
   * backup made before the deploy that was undone. Null or absent (earlier versions): none.
   */
  readonly origin?: string | null | undefined;
  readonly database: string;
  readonly databaseOid: string;
  /** The size of the database, dead rows included; absent in manifests of earlier versions. */
  readonly databaseBytes?: number | undefined;
  /** Null if the role may not read it. */
  readonly systemIdentifier: string | null;
  readonly serverVersion: string;
  readonly toolVersions: { readonly pgkeep: string; readonly pgDump: string };
  readonly encoding: string;
  readonly collation: string;
  readonly characterType: string;
  /** Absent in manifests of earlier versions, which had libc locales only. */
  readonly locale: LocaleFacts | undefined;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly snapshotId: string;
  /** `custom`: pg_dump's own format, for pg_restore. `plain`: SQL, gzipped, for psql. */
  readonly format: ArchiveFormat;
  readonly compression: string;
  /** Null: not encrypted. */
  readonly encryption: ArchiveEncryption | null;
  /** Size and digest of the archive as it is stored. */
  readonly bytes: number;
  readonly sha256: string;
  /** Null if the database has no `_prisma_migrations`. */
  readonly migrations: readonly AppliedMigration[] | null;
  /** How `contentHash` was computed: a restored table is compared with the same method. */
  readonly contentHashMethod: string;
  readonly tables: readonly TableContents[];
  readonly sequences: readonly SequenceState[];
  readonly catalogue: Catalogue;
  /** What the dump does not contain; absent in manifests of earlier versions. */
  readonly without?: readonly Omission[] | undefined;
  /** Tables of pgkeep that are in it without their rows, on purpose; absent in manifests of earlier versions. */
  readonly tablesWithoutRows?: readonly string[] | undefined;
  /** Subscriptions in the dump, which a restore does not create; absent in manifests of earlier versions. */
  readonly subscriptions?: readonly string[] | undefined;
  /** Objects that only a superuser can restore, such as `event trigger audit`; absent in manifests of earlier versions. */
  readonly superuserObjects?: readonly string[] | undefined;
  /** What will make a restore of it fail, and what to change. */
  readonly warnings?: readonly string[] | undefined;
}

/** The progress of a backup or a verification. */
export interface BackupProgress {
  readonly phase: 'dumping' | 'reading back' | 'copying to the buckets';
  /** Bytes of this phase so far; null in a phase that does not count them. */
  readonly bytes: number | null;
  /** How many there will be: while dumping an estimate from the last backup, then the size of the archive. */
  readonly expectedBytes: number | undefined;
}

/** Called for every chunk; it must return quickly and must not throw. */
export type ProgressListener = (progress: BackupProgress) => void;

export interface BackupOptions {
  /** Defaults to manual. */
  readonly reason?: BackupReason;
  /**
   * Of a `pre-restore` backup: the backup that is restored. Of the `pre-migration` backup of a rollback: the backup made
   * before the deploy that is undone. Retention keeps that backup as long as this one.
   */
  readonly origin?: string | undefined;
  /** The actor of the audit-log entry. Defaults to the operator: `user@host`. */
  readonly actor?: string;
  readonly onProgress?: ProgressListener | undefined;
  /** Aborting it ends the backup; nothing of it is left. */
  readonly signal?: AbortSignal;
  /** Called directly before the manifest is written. If it throws, the backup ends and nothing of it is left. */
  readonly beforePublish?: () => Promise<void>;
}

/** The result of `pgkeep backup`. */
export interface BackupReport extends Recording {
  readonly name: string;
  /** The location of the storage and the key of the archive. */
  readonly archive: string;
  readonly manifest: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly tables: number;
  readonly rows: number;
  readonly durationMs: number;
  readonly encrypted: boolean;
  /** What could not be verified on this machine, and what is missing for it. */
  readonly notChecked: readonly string[];
  /** What the backup does not contain, such as `the subscription feed`; empty if it is complete. */
  readonly without: readonly string[];
  /** Why something is missing and what to do about it, warnings of pg_dump, and what a restore will need. */
  readonly notes: readonly string[];
  /** What will make a restore of it fail, and what to change. */
  readonly warnings: readonly string[];
  /** Every place that has a complete copy: the directory, then the buckets. */
  readonly locations: readonly string[];
  /** Names of unfinished backups of killed runs, whose files this run removed. */
  readonly cleared: readonly string[];
}

/** One committed backup as the catalog shows it. */
export interface BackupEntry {
  readonly name: string;
  readonly database: string;
  readonly environment: EnvironmentName;
  /** The database server's; null if the role could not read it. */
  readonly systemIdentifier: string | null;
  readonly reason: BackupReason;
  /** See `Manifest.origin`. */
  readonly origin: string | null;
  readonly finishedAt: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly encrypted: boolean;
  readonly pinned: boolean;
  /** Every place that has a copy. */
  readonly locations: readonly string[];
  /** What the backup does not contain, such as `the subscription feed`; empty if it is complete. */
  readonly without: readonly string[];
  /** The verdict of the newest restore test; null if there was none. */
  readonly restoreTest: 'passed' | 'failed' | null;
}

/** A bucket that could not be listed. */
export interface UnreachablePlace {
  readonly location: string;
  /** Why. */
  readonly message: string;
}

/** Every committed backup, newest first; the manifests that cannot be read; the buckets that cannot be listed. */
export interface BackupList {
  readonly backups: readonly BackupEntry[];
  readonly unreadable: readonly string[];
  readonly unreachable: readonly UnreachablePlace[];
}

/** The result of `pgkeep backup upload`. */
export interface UploadReport {
  /** The requested backup, or those that a bucket did not have, and every place where they are now. */
  readonly backups: readonly { readonly name: string; readonly locations: readonly string[] }[];
  /** Names of backups whose unfinished uploads were removed first. */
  readonly cleared: readonly string[];
}

export interface PinOptions {
  /** Why it is kept. */
  readonly because?: string | undefined;
  /** The actor of the audit-log entry. Defaults to the operator: `user@host`. */
  readonly actor?: string;
}

/** The result of `pgkeep backup pin` and `unpin`. */
export interface PinReport extends Recording {
  readonly name: string;
  readonly pinned: boolean;
  /** Whether the state changed: a pinned backup can be pinned again, for another reason. */
  readonly changed: boolean;
}

/** One fault of an archive. */
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

/** One fault of one copy of a backup. */
export interface CopyFinding extends VerificationFinding {
  /** The place of the copy. */
  readonly location: string;
}

/** The result of `pgkeep backup verify`: every stored byte of every copy was read. */
export interface VerificationReport {
  readonly name: string;
  readonly verdict: 'passed' | 'failed';
  /** What the backup does not contain, by its manifest; a backup that passed contains everything else. */
  readonly without: readonly string[];
  readonly findings: readonly CopyFinding[];
  /** Every place that has a copy, or could not be asked. */
  readonly locations: readonly string[];
  /** What could not be verified and what is missing for it, such as the key of an encrypted archive. */
  readonly notChecked: readonly string[];
}

/** The result of `pgkeep backup globals`. */
export interface GlobalsReport extends Recording {
  /** The location of the storage and the key of the file. */
  readonly file: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly roles: number;
  readonly tablespaces: number;
  /** Whether it contains the password hashes: only if the role may read them. */
  readonly passwords: boolean;
  readonly encrypted: boolean;
}

/** Returns whether a backup was made before a restore or a deploy: its database may be damaged or half changed. */
export function isSafetyBackup(reason: BackupReason | undefined): boolean {
  return reason === 'pre-restore' || reason === 'pre-migration';
}
