import { Readable } from 'node:stream';
import type { ListMultipartUploadsCommandOutput, S3 } from '@aws-sdk/client-s3';
import { silenceAwsSdkWarning } from '../../config/process-environment.js';
import type { S3BucketSettings } from '../../config/settings.js';
import { PgkeepError } from '../../core/errors.js';
import { objectMissing, remoteError, requireObjectSize } from '../remote-fault.js';
import {
  type BackupStorage,
  PATIENCE,
  type Patience,
  type PutOptions,
  type StoredObject,
} from '../storage.types.js';
import { resumedRead, uploading } from '../streams.js';
import { type Target, upload } from './multipart-upload.js';
import { isNotFound, nameOf, s3Fault } from './s3-fault.js';

/** Loads the SDK, which is large, without a request. */
export async function openS3Bucket(
  settings: S3BucketSettings,
  patience: Patience = PATIENCE,
): Promise<S3Storage> {
  silenceAwsSdkWarning();
  const { S3 } = await import('@aws-sdk/client-s3');
  const { endpoint, region = endpoint === undefined ? undefined : 'us-east-1' } = settings;
  const client = new S3({
    ...(region !== undefined && { region }),
    // Servers other than Amazon's seldom have a host name for each bucket.
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    // The SDK's default (CRC trailers in chunked bodies) is refused by servers other than Amazon's. It is not needed:
    // every upload is read and verified.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: patience.attempts,
    requestHandler: { connectionTimeout: patience.connectMs, socketTimeout: patience.idleMs },
  });
  return new S3Storage(client, settings.bucket, patience);
}

/** A bucket of Amazon S3, or of an S3-compatible server. */
export class S3Storage implements BackupStorage {
  readonly location: string;

  constructor(
    private readonly client: S3,
    private readonly bucket: string,
    private readonly patience: Patience,
  ) {
    this.location = `s3://${bucket}`;
  }

  async put(key: string, body: Readable, { signal, expectedBytes }: PutOptions): Promise<{ bytes: number }> {
    return await uploading(
      body,
      signal,
      async () => {
        requireObjectSize(key, this.location, expectedBytes);
        return await upload(this.client, this.target(key), body, { signal, expectedBytes });
      },
      (error) => this.explain(`write ${key} to`, error),
    );
  }

  async get(key: string): Promise<Readable> {
    const target = this.target(key);
    const operation = `read ${key} from`;
    try {
      const { Body, ContentLength = 0, ETag } = await this.client.getObject(target);
      return resumedRead(readable(Body), {
        bytes: ContentLength,
        // IfMatch, so that a resumed download does not continue with another object.
        reopen: async (offset) =>
          readable(
            (await this.client.getObject({ ...target, Range: `bytes=${offset}-`, IfMatch: ETag })).Body,
          ),
        explain: (error) => this.explain(operation, error),
        ...this.patience,
      });
    } catch (error) {
      if (nameOf(error) === 'NoSuchKey') throw objectMissing(key, this.location);
      throw this.explain(operation, error);
    }
  }

  async head(key: string): Promise<{ bytes: number; modifiedAt: Date } | undefined> {
    const operation = `look at ${key} in`;
    try {
      const { ContentLength = 0, LastModified = new Date(0) } = await this.client.headObject(
        this.target(key),
      );
      return { bytes: ContentLength, modifiedAt: LastModified };
    } catch (error) {
      if (!isNotFound(error)) throw this.explain(operation, error);
    }
    await this.requireBucket(operation);
    return undefined;
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    const page = async (ContinuationToken: string | undefined) =>
      await this.explained('list', () =>
        this.client.listObjectsV2({ Bucket: this.bucket, Prefix: prefix, ContinuationToken }),
      );
    let token: string | undefined;
    do {
      const { Contents = [], IsTruncated, NextContinuationToken } = await page(token);
      for (const { Key = '', Size = 0, LastModified = new Date(0) } of Contents) {
        yield { key: Key, bytes: Size, modifiedAt: LastModified };
      }
      token = NextContinuationToken;
      // An incomplete listing must not be taken for a complete one: a prune would remove the wrong backups.
      if (IsTruncated === true && !token) {
        throw this.explain('list', new Error('the listing is incomplete and has no continuation token'));
      }
    } while (token);
  }

  async delete(key: string): Promise<void> {
    await this.explained(`remove ${key} from`, async () => {
      await this.client.deleteObject(this.target(key)).catch((error: unknown) => {
        if (nameOf(error) !== 'NoSuchKey') throw error;
      });
      for await (const begun of this.unfinished(key)) {
        if (begun.target.Key === key) await this.abort(begun);
      }
    });
  }

  /** Only uploads at the top level of the bucket, where backups are: keys with a `/` are not pgkeep's. */
  async discardUnfinished(before: Date): Promise<void> {
    await this.explained('look for unfinished uploads in', async () => {
      for await (const begun of this.unfinished('')) {
        if (begun.startedAt < before && !begun.target.Key.includes('/')) await this.abort(begun);
      }
    });
  }

  /** Lists unfinished multipart uploads: they are not visible as objects, but billed. */
  private async *unfinished(prefix: string): AsyncGenerator<Unfinished> {
    let from: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
    while (from) {
      const query = { Bucket: this.bucket, Prefix: prefix, ...from };
      const page: ListMultipartUploadsCommandOutput = await this.client.listMultipartUploads(query);
      for (const { Key = '', UploadId = '', Initiated = new Date(0) } of page.Uploads ?? []) {
        yield { target: { Bucket: this.bucket, Key, UploadId }, startedAt: Initiated };
      }
      const { IsTruncated, NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page;
      from =
        IsTruncated === true && KeyMarker !== undefined
          ? { KeyMarker, ...(UploadIdMarker !== undefined && { UploadIdMarker }) }
          : undefined;
    }
  }

  private async abort({ target }: Unfinished): Promise<void> {
    try {
      await this.client.abortMultipartUpload(target);
    } catch (error) {
      // Its own run has aborted it in the meantime.
      if (!isNotFound(error)) throw error;
    }
  }

  /** Requires that the bucket exists: the response to HEAD does not say whether the object or the bucket is missing. */
  private async requireBucket(operation: string): Promise<void> {
    try {
      await this.client.headBucket({ Bucket: this.bucket });
    } catch (error) {
      if (!isNotFound(error)) throw this.explain(operation, error);
      throw this.explain(operation, Object.assign(new Error(), { name: 'NoSuchBucket' }));
    }
  }

  private target(key: string): Target {
    return { Bucket: this.bucket, Key: key };
  }

  private async explained<T>(operation: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.explain(operation, error);
    }
  }

  private explain(operation: string, error: unknown): PgkeepError {
    return error instanceof PgkeepError ? error : remoteError(operation, this.location, s3Fault(error));
  }
}

/** An unfinished multipart upload. */
interface Unfinished {
  readonly target: Target & { readonly UploadId: string };
  readonly startedAt: Date;
}

function readable(body: unknown): Readable {
  if (body instanceof Readable) return body;
  throw new TypeError('the S3 client returned no stream');
}
