/** A migration of this build's directory. */
export interface DirectoryMigration {
  readonly name: string;
  /** The sha256 digests, in hex, under which Prisma recognises the file as unedited. */
  readonly checksums: readonly string[];
}

/** One row of the history: one attempt to apply one migration. */
export interface HistoryRow {
  readonly name: string;
  readonly checksum: string;
  readonly finished: boolean;
  readonly rolledBack: boolean;
}

/** The history as the database has it. */
export interface MigrationHistory {
  /** Undefined where the history table does not exist: the database was never migrated. */
  readonly rows: readonly HistoryRow[] | undefined;
  /** The history table's name, for people. */
  readonly table: string;
  /** The backend that holds Prisma's migration lock: a deploy is running. */
  readonly deployingPid: number | undefined;
}

export type MigrationsFaultCode =
  | 'MIGRATIONS_LOCKED'
  | 'MIGRATIONS_PERMISSION_DENIED'
  | 'MIGRATIONS_DIRECTORY_MISSING'
  | 'MIGRATIONS_DIRECTORY_EMPTY'
  | 'MIGRATIONS_DIRECTORY_IS_PGKEEPS'
  | 'MIGRATIONS_FILE_MISSING'
  | 'MIGRATIONS_PROVIDER_MISMATCH';

/** Why the directory or the history cannot be read. */
export interface MigrationsFault {
  readonly code: MigrationsFaultCode;
  readonly text: string;
  readonly hint: string;
}

/** The history compared with the directory: lists of names, sorted. */
export interface MigrationStatus {
  /** In this build's directory and applied. */
  readonly applied: readonly string[];
  /** In the directory, never started. */
  readonly pending: readonly string[];
  /** Started, neither finished nor rolled back. */
  readonly failed: readonly string[];
  /** Marked as rolled back and not applied since. */
  readonly rolledBack: readonly string[];
  /** Applied, and the file changed since in more than its comments, and the change was not accepted. */
  readonly edited: readonly string[];
  /** In the history but not in this build's directory: the database is ahead. */
  readonly unknown: readonly string[];
}

/** The status of the migrations, or why there is none. */
export type MigrationsReport =
  | {
      readonly status: MigrationStatus;
      readonly history: MigrationHistory;
      /** Applied, and the file has another checksum since; of these, `status.edited` are what a deploy refuses. */
      readonly changed: readonly string[];
      /** Of `changed`, those of which it is not known yet whether a deploy refuses them. */
      readonly unjudged: readonly string[];
    }
  | { readonly fault: MigrationsFault };
