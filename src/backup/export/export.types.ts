import type { Recording } from '../../audit-log/audit-log.types.js';

export interface ExportOptions {
  /** Defaults to a new directory below the working directory. */
  readonly directory?: string | undefined;
  /** The actor of the audit-log entry. Defaults to the operator: `user@host`. */
  readonly actor?: string;
  /** Aborting it ends the export; no file is left. */
  readonly signal?: AbortSignal;
}

/** One table as a CSV file: UTF-8, with a header line; NULL is empty, without quotes. */
export interface ExportedTable {
  /** schema.table, quoted if SQL needs it. */
  readonly name: string;
  readonly file: string;
  readonly rows: number;
  readonly bytes: number;
}

/** The result of `pgkeep backup export`. */
export interface ExportReport extends Recording {
  readonly directory: string;
  readonly tables: readonly ExportedTable[];
}
