import type { Readable } from 'node:stream';
import type { Bucket, File } from '@google-cloud/storage';
import type { GcsBucketSettings } from '../../config/settings.js';
import { messageOf, PgkeepError, propertyOf } from '../../core/errors.js';
import { withoutStop } from '../../core/text.js';
import {
  networkFault,
  objectMissing,
  remoteError,
  type RemoteFault,
  requireObjectSize,
} from '../remote-fault.js';
import {
  type BackupStorage,
  PATIENCE,
  type Patience,
  type PutOptions,
  type StoredObject,
} from '../storage.types.js';
import { resumedRead, uploading } from '../streams.js';
import { upload } from './gcs-upload.js';

/** Loads the client, which is large, without a request. @param endpoint another server than Google's */
export async function openGcsBucket(
  settings: GcsBucketSettings,
  patience: Patience = PATIENCE,
  endpoint?: string,
): Promise<GcsStorage> {
  const { Storage, IdempotencyStrategy } = await import('@google-cloud/storage');
  const storage = new Storage({
    ...(endpoint !== undefined && { apiEndpoint: endpoint, useAuthWithCustomEndpoint: true }),
    timeout: patience.idleMs,
    retryOptions: {
      maxRetries: patience.attempts - 1,
      // It counts from the beginning of an upload: with the default (10 minutes), a long upload is never retried.
      totalTimeout: 86_400,
      // Every request can be repeated: an upload has a session, and the others read or delete.
      idempotencyStrategy: IdempotencyStrategy.RetryAlways,
    },
  });
  return new GcsStorage(storage.bucket(settings.bucket), patience);
}

/** A bucket of Google Cloud Storage. */
class GcsStorage implements BackupStorage {
  readonly location: string;

  constructor(
    private readonly bucket: Bucket,
    private readonly patience: Patience,
  ) {
    this.location = `gs://${bucket.name}`;
  }

  async put(key: string, body: Readable, { signal, expectedBytes }: PutOptions): Promise<{ bytes: number }> {
    const file = this.file(key);
    return await uploading(
      body,
      signal,
      async () => {
        requireObjectSize(key, this.location, expectedBytes);
        return await upload(file, body, signal, this.patience.idleMs * 5);
      },
      (error) => this.explain(`write ${key} to`, error),
    );
  }

  async get(key: string): Promise<Readable> {
    const operation = `read ${key} from`;
    const found = await this.look(key, operation);
    if (found === undefined) throw objectMissing(key, this.location);
    // With the generation, so that a resumed download does not continue with another object.
    const file = this.bucket.file(this.file(key).name, { generation: found.generation });
    const open = (start: number): Readable =>
      file.createReadStream({ decompress: false, ...(start > 0 ? { start } : { validation: 'crc32c' }) });
    return resumedRead(open(0), {
      bytes: found.bytes,
      reopen: async (offset) => await Promise.resolve(open(offset)),
      explain: (error) => this.explain(operation, error),
      ...this.patience,
    });
  }

  async head(key: string): Promise<{ bytes: number; modifiedAt: Date } | undefined> {
    const found = await this.look(key, `look at ${key} in`);
    return found && { bytes: found.bytes, modifiedAt: found.modifiedAt };
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    let pageToken: string | undefined;
    do {
      const { files, next } = await this.page(prefix, pageToken);
      for (const { name, metadata } of files) {
        yield { key: name, bytes: Number(metadata.size), modifiedAt: dateOf(metadata.updated) };
      }
      pageToken = next;
    } while (pageToken);
  }

  async delete(key: string): Promise<void> {
    try {
      await this.file(key).delete();
    } catch (error) {
      if (statusOf(error) !== 404) throw this.explain(`remove ${key} from`, error);
      await this.requireBucket(`remove ${key} from`);
    }
  }

  private async page(prefix: string, pageToken: string | undefined) {
    try {
      const [files, query] = await this.bucket.getFiles({ prefix, pageToken, autoPaginate: false });
      const next: unknown = query && Reflect.get(query, 'pageToken');
      return { files, next: typeof next === 'string' ? next : undefined };
    } catch (error) {
      throw this.explain('list', error);
    }
  }

  private async look(key: string, operation: string) {
    try {
      const [{ size, updated, generation }] = await this.file(key).getMetadata();
      return { bytes: Number(size), modifiedAt: dateOf(updated), generation };
    } catch (error) {
      if (statusOf(error) !== 404) throw this.explain(operation, error);
    }
    await this.requireBucket(operation);
    return undefined;
  }

  /** Requires that the bucket exists. After a 404, which can mean either, a listing shows it and needs no other right. */
  private async requireBucket(operation: string): Promise<void> {
    try {
      await this.bucket.getFiles({ maxResults: 1, autoPaginate: false });
    } catch (error) {
      throw this.explain(operation, error);
    }
  }

  private file(key: string): File {
    return this.bucket.file(key);
  }

  private explain(operation: string, error: unknown): PgkeepError {
    return error instanceof PgkeepError ? error : remoteError(operation, this.location, gcsFault(error));
  }
}

function dateOf(text: string | undefined): Date {
  return new Date(text ?? 0);
}

const HINTS = {
  none: 'Set GOOGLE_APPLICATION_CREDENTIALS to a key file, or use workload identity. On a laptop: `gcloud auth application-default login`.',
  credentials:
    'Renew or replace the credentials of GOOGLE_APPLICATION_CREDENTIALS or of the machine’s identity.',
  grants: 'Give the service account the role Storage Object User (roles/storage.objectUser) on the bucket.',
  bucket: 'Check GCS_BACKUP_BUCKET, or create the bucket: pgkeep does not create buckets.',
  other: 'See the documentation of Cloud Storage for this error.',
} as const;

/** Explains any error of the Google Cloud Storage client, by HTTP status. */
function gcsFault(error: unknown): RemoteFault {
  const status = statusOf(error);
  const text = withoutStop(saidBy(error));
  if (text.startsWith('Could not load the default credentials')) {
    return { code: 'STORAGE_DENIED', text: 'no credentials were found', hint: HINTS.none };
  }
  if (status === 401) {
    return {
      code: 'STORAGE_DENIED',
      text: `the credentials were refused (${text})`,
      hint: HINTS.credentials,
    };
  }
  if (status === 403) {
    return { code: 'STORAGE_DENIED', text: `access denied (${text})`, hint: HINTS.grants };
  }
  if (status === 404) {
    return { code: 'STORAGE_BUCKET_MISSING', text: 'the bucket does not exist', hint: HINTS.bucket };
  }
  return networkFault(error, status) ?? { code: 'STORAGE_FAILED', text, hint: HINTS.other };
}

/** Returns the HTTP status of an error: the client has it as `code`, the library below it as `status`. */
function statusOf(error: unknown): number | undefined {
  const candidates = [
    propertyOf(error, 'code'),
    propertyOf(error, 'status'),
    propertyOf(propertyOf(error, 'response'), 'status'),
  ];
  return candidates.map(Number).find((status) => status >= 400 && status <= 599);
}

/** Returns the server's message, from the response or from `message`, which is sometimes the JSON of the response. */
function saidBy(error: unknown): string {
  const message = messageOf(error);
  const answered = messageIn(propertyOf(propertyOf(error, 'response'), 'data'));
  if (answered !== undefined) return answered;
  try {
    return messageIn(JSON.parse(message)) ?? message;
  } catch {
    return message;
  }
}

function messageIn(answer: unknown): string | undefined {
  const message = propertyOf(propertyOf(answer, 'error'), 'message');
  return typeof message === 'string' ? message : undefined;
}
