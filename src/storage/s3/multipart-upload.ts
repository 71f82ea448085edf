import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Readable } from 'node:stream';
import type { S3 } from '@aws-sdk/client-s3';
import type { PutOptions } from '../storage.types.js';
import { PartReader, concurrentParts, partSizes, type Part } from './parts.js';
import { isNotFound, nameOf } from './s3-fault.js';

/** How long to try to remove a failed upload from a server that may not answer, in ms. */
const CLEANING_MS = 3000;

/** An object of a bucket, in the client's notation. */
export interface Target {
  readonly Bucket: string;
  readonly Key: string;
}

/**
 * Uploads a stream, whose length may be unknown: in one request if it fits into one part, otherwise as a multipart upload.
 *
 * Not with the SDK's `lib-storage`: its part size is fixed (10,000 parts of 8 MiB end at 80 GB, hours into the upload),
 * and after an abort it returns while parts are being sent, so that some stay in the bucket, invisible but billed.
 */
export async function upload(
  client: S3,
  target: Target,
  body: Readable,
  { signal, expectedBytes }: PutOptions,
): Promise<{ bytes: number }> {
  const reader = new PartReader(partSizes(expectedBytes));
  const stop = new AbortController();
  const cut = AbortSignal.any([signal, stop.signal]);
  // The SDK adds a listener for each part that is being sent, and removes it when the connection closes.
  setMaxListeners(0, cut);
  const parts = reader.read(body, cut);
  const first = await parts.next();
  if (first.done === true) throw new TypeError('a part reader returned no part');
  signal.throwIfAborted();
  if (first.value.isLast) {
    // The request cannot be undone: an abort from here on is too late, and the put succeeds.
    await client.putObject({ ...target, Body: first.value.bytes });
    return { bytes: first.value.bytes.length };
  }
  let attempts = 2;
  try {
    // Without the signal: an upload whose ID was not received could not be aborted.
    const { UploadId, $metadata } = await client.createMultipartUpload(target);
    attempts = $metadata.attempts ?? 1;
    const multipart = new MultipartUpload(client, { ...target, UploadId }, reader, stop);
    return await multipart.run(first.value, parts, cut);
  } finally {
    if (attempts > 1) await abortDuplicates(client, target);
  }
}

/**
 * Aborts the uploads of this key whose IDs were not received: if a response is lost, the SDK repeats the request, and the
 * server begins another upload. What cannot be aborted is left to `discardUnfinished`.
 */
async function abortDuplicates(client: S3, { Bucket, Key }: Target): Promise<void> {
  try {
    const options = { abortSignal: AbortSignal.timeout(CLEANING_MS) };
    const { Uploads = [] } = await client.listMultipartUploads({ Bucket, Prefix: Key }, options);
    for (const { UploadId } of Uploads.filter((candidate) => candidate.Key === Key)) {
      await client.abortMultipartUpload({ Bucket, Key, UploadId }, options);
    }
  } catch {
    // The result of the upload itself is reported.
  }
}

class MultipartUpload {
  private readonly running = new Set<Promise<unknown>>();
  private readonly sent: { PartNumber: number; ETag: string | undefined }[] = [];
  private failure: { readonly error: unknown } | undefined;
  private bytes = 0;

  constructor(
    private readonly client: S3,
    private readonly target: Target & { UploadId: string | undefined },
    private readonly reader: PartReader,
    private readonly stop: AbortController,
  ) {}

  async run(first: Part, rest: AsyncIterable<Part>, cut: AbortSignal): Promise<{ bytes: number }> {
    try {
      cut.throwIfAborted();
      await this.send(first, cut);
      for await (const part of rest) await this.send(part, cut);
      await Promise.all(this.running);
      cut.throwIfAborted();
      await this.complete();
      return { bytes: this.bytes };
    } catch (error) {
      // Recorded before the parts are aborted: their errors are not the cause.
      const { error: cause } = (this.failure ??= { error });
      this.stop.abort();
      await Promise.allSettled(this.running);
      await this.abandon();
      throw cause;
    }
  }

  /** Starts to send one part, when few enough others are being sent. */
  private async send(part: Part, cut: AbortSignal): Promise<void> {
    while (this.running.size >= concurrentParts(part.bytes.length)) await Promise.race(this.running);
    this.bytes += part.bytes.length;
    const sending = this.sendPart(part, cut);
    this.running.add(sending);
    sending
      .then(() => this.running.delete(sending))
      .catch((error: unknown) => {
        this.failure ??= { error };
        // This also ends the wait for the next chunk of the source.
        this.stop.abort();
      });
  }

  private async sendPart(part: Part, cut: AbortSignal): Promise<void> {
    const { ETag } = await this.client.uploadPart(
      { ...this.target, PartNumber: part.number, Body: part.bytes },
      { abortSignal: cut },
    );
    this.sent.push({ PartNumber: part.number, ETag });
    this.reader.recycle(part);
  }

  private async complete(): Promise<void> {
    this.sent.sort((left, right) => left.PartNumber - right.PartNumber);
    try {
      await this.client.completeMultipartUpload({
        ...this.target,
        MultipartUpload: { Parts: this.sent },
      });
    } catch (error) {
      // Perhaps only the response was lost: if the object exists, the upload succeeded.
      if (!(await this.isStored())) throw error;
    }
  }

  /**
   * Aborts the upload and removes its parts. As S3's documentation warns, a part whose connection was just cut may still
   * be stored after the first request, so it is repeated until nothing is left. Failures are ignored: the first failure
   * is reported.
   */
  private async abandon(): Promise<void> {
    for (const pauseMs of [100, 400, 1600]) {
      try {
        const abortSignal = AbortSignal.timeout(CLEANING_MS);
        await this.client.abortMultipartUpload(this.target, { abortSignal });
      } catch (error) {
        if (!isNotFound(error)) return;
      }
      if (await this.isGone()) return;
      await sleep(pauseMs);
    }
  }

  /** Returns whether no part is left; also true if the credentials may not list parts, because it cannot be known then. */
  private async isGone(): Promise<boolean> {
    try {
      const abortSignal = AbortSignal.timeout(CLEANING_MS);
      await this.client.listParts({ ...this.target, MaxParts: 1 }, { abortSignal });
      return false;
    } catch (error) {
      return isNotFound(error) || nameOf(error) === 'AccessDenied';
    }
  }

  private async isStored(): Promise<boolean> {
    try {
      const { Bucket, Key } = this.target;
      const { ContentLength, ETag } = await this.client.headObject({ Bucket, Key });
      if (ContentLength !== this.bytes) return false;
      // If the server encrypts, tags are not digests; then the upload no longer exists if it was completed.
      return ETag === tagOf(this.sent.map((part) => part.ETag)) || (await this.isGone());
    } catch {
      return false;
    }
  }
}

/** Returns the tag that S3 gives to an object of several parts: the digest of their digests, and their number. */
function tagOf(tags: readonly (string | undefined)[]): string {
  const hash = createHash('md5');
  for (const tag of tags) hash.update(Buffer.from((tag ?? '').replaceAll('"', ''), 'hex'));
  return `"${hash.digest('hex')}-${tags.length}"`;
}
