import type { Readable } from 'node:stream';
import { sourceOf } from '../streams.js';

const MIB = 1024 * 1024;

/** One part of a multipart upload; `bytes` is valid only until the part is recycled. */
export interface Part {
  /** From 1. */
  readonly number: number;
  readonly bytes: Buffer;
  readonly isLast: boolean;
}

const SMALLEST_PART = 8 * MIB;
/** The most parts of one object in Amazon S3. */
const MOST_PARTS = 10_000;
/** The most parts of one object in OpenStack Swift and other S3-compatible servers, by default. */
const FEW_PARTS = 1000;
/** The largest part for the sake of the lower limit, because two parts are in memory. 1,000 of them are 250 GiB. */
const LARGEST_OF_FEW = 256 * MIB;

/**
 * Returns the size of each part by its number. If the length is known, 1,000 parts are enough up to 250 GiB, and 10,000
 * up to 5 TiB, the largest object (parts of 525 MiB). If it is unknown, parts have 8 MiB at first, and twice as much
 * after every 2,000 parts, which reaches 484 GiB.
 */
export function partSizes(expectedBytes: number | undefined): (number: number) => number {
  if (expectedBytes === undefined) {
    return (number) => SMALLEST_PART * 2 ** Math.min(4, Math.floor((number - 1) / 2000));
  }
  const ofFew = wholeMegabytes(expectedBytes / FEW_PARTS);
  const size =
    ofFew <= LARGEST_OF_FEW ? ofFew : Math.max(LARGEST_OF_FEW, wholeMegabytes(expectedBytes / MOST_PARTS));
  return () => Math.max(SMALLEST_PART, size);
}

function wholeMegabytes(bytes: number): number {
  return Math.ceil(bytes / MIB) * MIB;
}

/** Returns how many parts of this size are sent concurrently; usually two, with one being filled: 24 MiB in memory. */
export function concurrentParts(size: number): number {
  return size <= 16 * MIB ? 2 : 1;
}

/** Splits a stream into parts and reuses their buffers, so that memory does not grow with the stream. */
export class PartReader {
  private readonly free: Buffer[] = [];

  /** @param sizeOf returns the size of a part by its number */
  constructor(private readonly sizeOf: (number: number) => number) {}

  /** Yields at least one part. Whether a part is the last is known when the stream has ended. */
  async *read(body: Readable, signal: AbortSignal): AsyncGenerator<Part, void> {
    let number = 1;
    let part = this.take(this.sizeOf(number));
    let filled = 0;
    for await (const chunk of sourceOf(body, signal)) {
      for (let rest = chunk; rest.length > 0;) {
        if (filled === part.length) {
          yield { number, bytes: part, isLast: false };
          number += 1;
          part = this.take(this.sizeOf(number));
          filled = 0;
        }
        const copied = rest.copy(part, filled);
        filled += copied;
        rest = rest.subarray(copied);
      }
    }
    yield { number, bytes: part.subarray(0, filled), isLast: true };
  }

  /** Makes the buffer of a part available for another, after it was sent. */
  recycle({ bytes, isLast }: Part): void {
    if (!isLast) this.free.push(bytes);
  }

  private take(size: number): Buffer {
    const buffer = this.free.pop();
    // A buffer of another size is left to the garbage collector.
    return buffer?.length === size ? buffer : Buffer.allocUnsafeSlow(size);
  }
}
