import { createHash } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Readable } from 'node:stream';
import type { S3 } from '@aws-sdk/client-s3';
import type { PutOptions } from '../storage.types.js';
import { PartReader, partsAtOnce, partSizes, type Part } from './parts.js';
import { isNotFound, nameOf } from './s3-fault.js';

/** How long a server that may be gone is asked to take away what it has of a failed upload, in ms. */
const CLEANING_MS = 3000;

/** An object of a bucket, as the client wants it named. */
export interface Target {
  readonly Bucket: string;
  readonly Key: string;
}

/**
 * Uploads a stream, whose length may be unknown: in one request where it fits into one part, else as a multipart upload.
 *
 * Not the SDK's own `lib-storage`: its part size is fixed (10,000 times 8 MiB end at 80 GB, hours into the
 * upload), and on an abort it returns while parts are still on their way, so that some stay behind, unseen and paid for.
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
  // The SDK listens once for each part that is on its way, and lets go when its connection closes.
  setMaxListeners(0, cut);
  const parts = reader.read(body, cut);
  const first = await parts.next();
  if (first.done === true) throw new TypeError('a reader gives at least one part');
  signal.throwIfAborted();
  if (first.value.isLast) {
    // From here on it cannot be taken back: an abort that comes now is too late, and the put succeeds.
    await client.putObject({ ...target, Body: first.value.bytes });
    return { bytes: first.value.bytes.length };
  }
  let attempts = 2;
  try {
    // Without the signal: an upload whose number never arrived could not be ended.
    const { UploadId, $metadata } = await client.createMultipartUpload(target);
    attempts = $metadata.attempts ?? 1;
    const multipart = new MultipartUpload(client, { ...target, UploadId }, reader, stop);
    return await multipart.run(first.value, parts, cut);
  } finally {
    if (attempts > 1) await abortTwins(client, target);
  }
}

/**
 * Ends the uploads of this key whose numbers never arrived: where an answer was lost, the SDK asked again, and the
 * server began one more. What cannot be ended is left to `discardUnfinished`.
 */
async function abortTwins(client: S3, { Bucket, Key }: Target): Promise<void> {
  try {
    const options = { abortSignal: AbortSignal.timeout(CLEANING_MS) };
    const { Uploads = [] } = await client.listMultipartUploads({ Bucket, Prefix: Key }, options);
    for (const twin of Uploads.filter((candidate) => candidate.Key === Key)) {
      await client.abortMultipartUpload({ Bucket, Key, UploadId: twin.UploadId }, options);
    }
  } catch {
    // The upload's own end is the one to tell.
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
      // Before the parts are cut: what they say of that is no cause.
      const { error: cause } = (this.failure ??= { error });
      this.stop.abort();
      await Promise.allSettled(this.running);
      await this.abandon();
      throw cause;
    }
  }

  /** Starts one part, as soon as few enough others are on their way. */
  private async send(part: Part, cut: AbortSignal): Promise<void> {
    while (this.running.size >= partsAtOnce(part.bytes.length)) await Promise.race(this.running);
    this.bytes += part.bytes.length;
    const sending = this.sendPart(part, cut);
    this.running.add(sending);
    sending
      .then(() => this.running.delete(sending))
      .catch((error: unknown) => {
        this.failure ??= { error };
        // Also ends the wait for the source's next chunk.
        this.stop.abort();
      });
  }

  private async sendPart(part: Part, cut: AbortSignal): Promise<void> {
    const { ETag } = await this.client.uploadPart(
      { ...this.target, PartNumber: part.number, Body: part.bytes },
      { abortSignal: cut },
    );
    this.sent.push({ PartNumber: part.number, ETag });
    this.reader.giveBack(part);
  }

  private async complete(): Promise<void> {
    this.sent.sort((left, right) => left.PartNumber - right.PartNumber);
    try {
      await this.client.completeMultipartUpload({
        ...this.target,
        MultipartUpload: { Parts: this.sent },
      });
    } catch (error) {
      // The answer may have been lost, not the request: the object tells.
      if (!(await this.isStored())) throw error;
    }
  }

  /**
   * Ends the upload and removes its parts. A part whose connection was just cut may still be stored after the
   * first request, as S3's documentation warns: asked again until nothing is left. What cannot be removed (the
   * storage is gone) is not worth hiding the first failure for.
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

  /** Also true where the credentials may not list parts: there is no way to know better then. */
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
      // Where the server encrypts, tags are no digests; there the upload is gone once it is completed.
      return ETag === tagOf(this.sent.map((part) => part.ETag)) || (await this.isGone());
    } catch {
      return false;
    }
  }
}

/** The tag that S3 gives an object of several parts: the digest of their digests, and how many they are. */
function tagOf(tags: readonly (string | undefined)[]): string {
  const hash = createHash('md5');
  for (const tag of tags) hash.update(Buffer.from((tag ?? '').replaceAll('"', ''), 'hex'));
  return `"${hash.digest('hex')}-${tags.length}"`;
}
