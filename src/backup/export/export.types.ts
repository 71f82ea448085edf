import type { Recording } from '../../audit-log/audit-log.types.js';

export interface ExportOptions {
  /** Defaults to a fresh directory below the working directory. */
  readonly directory?: string | undefined;
  /** Who the record names. Defaults to the operator: `user@host`. */
  readonly actor?: string;
  /** Aborting it ends the export in order: no file is left. */
  readonly signal?: AbortSignal;
}

/** One table as a CSV file: a header line, UTF-8, NULL as nothing between two commas. */
export interface ExportedTable {
  /** schema.table, quoted where SQL needs it. */
  readonly name: string;
  readonly file: string;
  readonly rows: number;
  readonly bytes: number;
}

/** What `pgkeep backup export` answers. */
export interface ExportReport extends Recording {
  readonly directory: string;
  readonly tables: readonly ExportedTable[];
}
