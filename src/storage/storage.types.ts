import type { Readable } from 'node:stream';

/** The injection token of the {@link BackupStorage} that backups are made in: the directory. */
export const BACKUP_STORAGE = Symbol('pgkeep backup storage');

/** The injection token of {@link RemoteStorages}. */
export const REMOTE_STORAGES = Symbol('pgkeep remote storages');

/** The buckets that backups are copied to. Asked for when they are needed: the clouds' SDKs are slow to load. */
export type RemoteStorages = () => Promise<readonly BackupStorage[]>;

/** One stored object. */
export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
  readonly modifiedAt: Date;
}

/** How a stream is stored. */
export interface PutOptions {
  readonly signal: AbortSignal;
  /** How long the stream is, where that is known: a bucket chooses the size of its parts by it. */
  readonly expectedBytes?: number;
}

/**
 * Where backups are kept: objects under keys such as `clinic_production_20260207_120000.dump`. Every implementation
 * passes one conformance suite (`test/storage/conformance.ts`): an action need not know which one it writes to.
 */
export interface BackupStorage {
  /** For people: the directory, `s3://bucket`, `gs://bucket`. Holds no credentials. */
  readonly location: string;

  /**
   * Stores a stream. The object is visible under its key only when it is whole and durable: an aborted or
   * failed put leaves nothing. An object that was there is replaced.
   * @throws what the stream throws; PgkeepError `STORAGE_…`, before the first byte where the stream is expected to be
   *   longer than an object can be; the signal's reason.
   */
  put(key: string, body: Readable, options: PutOptions): Promise<{ bytes: number }>;

  /** The bytes of an object. @throws PgkeepError `STORAGE_OBJECT_MISSING`, `STORAGE_FAILED`. */
  get(key: string): Promise<Readable>;

  /** Undefined where there is no such object. */
  head(key: string): Promise<{ bytes: number; modifiedAt: Date } | undefined>;

  /** Every object whose key begins with the prefix, page by page, in no particular order. */
  list(prefix: string): AsyncIterable<StoredObject>;

  /** Removes an object and what a killed put of it left. Absent is no error. */
  delete(key: string): Promise<void>;

  /** Removes what puts left that were killed before this time. */
  discardUnfinished?(before: Date): Promise<void>;

  /** The file that an object is, where it is one on this machine: pg_restore then reads it in place. */
  pathOf?(key: string): string;

  /** How many bytes there is room for, where that can be asked. */
  freeBytes?(): Promise<number>;
}

/** How long a storage of the network is waited for before it counts as unreachable or slow. */
export interface Patience {
  /** How often one request is tried. Between two tries the wait doubles. */
  readonly attempts: number;
  /** Longest wait for a connection, in ms. */
  readonly connectMs: number;
  /** Longest wait on a connection that moves no byte, in ms. */
  readonly idleMs: number;
}

/** Rides out some ten seconds of outage; a storage that hangs is told after minutes, not hours. */
export const PATIENCE: Patience = { attempts: 8, connectMs: 5000, idleMs: 30_000 };
