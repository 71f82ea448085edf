import { Readable } from 'node:stream';
import type { ListMultipartUploadsCommandOutput, S3 } from '@aws-sdk/client-s3';
import { silenceAwsSdkWarning } from '../../config/process-environment.js';
import type { S3BucketSettings } from '../../config/settings.js';
import { PgkeepError } from '../../core/errors.js';
import { objectMissing, remoteError, requireObjectSize } from '../remote-fault.js';
import { resumedRead } from '../resumed-read.js';
import { uploading } from '../upload-source.js';
import {
  type BackupStorage,
  PATIENCE,
  type Patience,
  type PutOptions,
  type StoredObject,
} from '../storage.types.js';
import { type Target, upload } from './multipart-upload.js';
import { isNotFound, nameOf, s3Fault } from './s3-fault.js';

/** Loads the SDK, which is large, and asks the network nothing. */
export async function openS3Bucket(
  settings: S3BucketSettings,
  patience: Patience = PATIENCE,
): Promise<S3Storage> {
  silenceAwsSdkWarning();
  const { S3 } = await import('@aws-sdk/client-s3');
  const { endpoint, region = endpoint === undefined ? undefined : 'us-east-1' } = settings;
  const client = new S3({
    ...(region !== undefined && { region }),
    // Servers other than Amazon's are seldom reached by a host name of each bucket's own.
    ...(endpoint !== undefined && { endpoint, forcePathStyle: true }),
    // What the SDK adds by default (CRC trailers in chunked bodies) is refused by servers other than Amazon's; what
    // was stored is read back and digested in any case.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    maxAttempts: patience.attempts,
    requestHandler: { connectionTimeout: patience.connectMs, socketTimeout: patience.idleMs },
  });
  return new S3Storage(client, settings.bucket, patience);
}

/** A bucket of Amazon S3, or of any server that speaks its language. */
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
        // IfMatch: an object that was overwritten meanwhile must not become the second half of this one.
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
      // Half a listing must never pass for a whole one: who prunes by it would remove the wrong ones.
      if (IsTruncated === true && !token) {
        throw this.explain('list', new Error('the listing was cut and says no way to go on'));
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

  /** Only uploads to the top of the bucket, where backups lie: what is below a `/` is somebody else's. */
  async discardUnfinished(before: Date): Promise<void> {
    await this.explained('look for unfinished uploads in', async () => {
      for await (const begun of this.unfinished('')) {
        if (begun.startedAt < before && !begun.target.Key.includes('/')) await this.abort(begun);
      }
    });
  }

  /** The multipart uploads that were begun and neither completed nor aborted: unseen in listings, and paid for. */
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
      // Its own run ended it meanwhile.
      if (!isNotFound(error)) throw error;
    }
  }

  /** The answer to a HEAD does not tell a missing object from a missing bucket. */
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

/** A multipart upload that stands open. */
interface Unfinished {
  readonly target: Target & { readonly UploadId: string };
  readonly startedAt: Date;
}

function readable(body: unknown): Readable {
  if (body instanceof Readable) return body;
  throw new TypeError('the S3 client answered without a stream');
}
