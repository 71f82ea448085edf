import type { Readable } from 'node:stream';

/** The injection token of the {@link BackupStorage} where backups are made: the directory. */
export const BACKUP_STORAGE = Symbol('pgkeep backup storage');

/** The injection token of {@link RemoteStorages}. */
export const REMOTE_STORAGES = Symbol('pgkeep remote storages');

/** Returns the buckets that backups are copied to. A function, because the clouds' SDKs are slow to load. */
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
  /** The length of the stream, if known: the size of an upload's parts depends on it. */
  readonly expectedBytes?: number;
}

/**
 * Where backups are kept: objects under keys such as `clinic_production_20260207_120000.dump`. Every implementation
 * passes one conformance suite (`test/storage/conformance.ts`): an action need not know which one it writes to.
 */
export interface BackupStorage {
  /** The place as people read it: the directory, `s3://bucket`, `gs://bucket`. Contains no credentials. */
  readonly location: string;

  /**
   * Stores a stream, and replaces an object of that key. The object is visible only when it is complete and durable: an
   * aborted or failed put leaves nothing.
   * @throws what the stream throws; PgkeepError `STORAGE_…`, before the first byte if the expected length is more than an
   *   object can have; the signal's reason.
   */
  put(key: string, body: Readable, options: PutOptions): Promise<{ bytes: number }>;

  /** Opens the bytes of an object. @throws PgkeepError `STORAGE_OBJECT_MISSING`, `STORAGE_FAILED`. */
  get(key: string): Promise<Readable>;

  /** Returns size and date of an object; undefined if it does not exist. */
  head(key: string): Promise<{ bytes: number; modifiedAt: Date } | undefined>;

  /** Lists every object whose key begins with the prefix, page by page, in no particular order. */
  list(prefix: string): AsyncIterable<StoredObject>;

  /** Removes an object if it exists, and the remains of a killed put of it. */
  delete(key: string): Promise<void>;

  /** Removes the remains of puts that were killed before this time. */
  discardUnfinished?(before: Date): Promise<void>;

  /** Returns the file of an object, if objects are files on this machine: pg_restore reads it in place. */
  pathOf?(key: string): string;

  /** Returns the number of free bytes, if it is known. */
  freeBytes?(): Promise<number>;
}

/** How long to wait for a storage in the network before it counts as unreachable. */
export interface Patience {
  /** How often one request is tried. The pause between two tries doubles. */
  readonly attempts: number;
  /** Longest wait for a connection, in ms. */
  readonly connectMs: number;
  /** Longest wait on a connection that moves no byte, in ms. */
  readonly idleMs: number;
}

/** Survives about ten seconds of outage; a storage that does not answer is reported after minutes, not hours. */
export const PATIENCE: Patience = { attempts: 8, connectMs: 5000, idleMs: 30_000 };
