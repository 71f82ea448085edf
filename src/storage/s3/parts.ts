import type { Readable } from 'node:stream';
import { sourceOf } from '../upload-source.js';

const MIB = 1024 * 1024;

/** One part of a multipart upload; `bytes` is only valid until it is given back. */
export interface Part {
  /** From 1. */
  readonly number: number;
  readonly bytes: Buffer;
  readonly isLast: boolean;
}

const SMALLEST_PART = 8 * MIB;
/** Amazon S3 takes no more parts of one object. */
const MOST_PARTS = 10_000;
/** OpenStack Swift and other servers that speak S3 take no more unless they are set to. */
const FEW_PARTS = 1000;
/** Parts become larger than this for Amazon's limit only: two are in memory. 1,000 of them are 250 GiB. */
const LARGEST_OF_FEW = 256 * MIB;

/**
 * How large each part is, by its number. Of a known length: such that 1,000 parts suffice up to 250 GiB, and 10,000
 * beyond that, up to the 5 TiB of the largest object (parts of 525 MiB). Of an unknown length: 8 MiB at first, double
 * that every 2,000 parts, which reaches 484 GiB.
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

/** How many parts of this size travel at once: with the one that is being filled 24 MiB in the usual case. */
export function partsAtOnce(size: number): number {
  return size <= 16 * MIB ? 2 : 1;
}

/** Cuts a stream into parts, in buffers that are used again: memory stays flat however long the stream is. */
export class PartReader {
  private readonly free: Buffer[] = [];

  /** `sizeOf` a part by its number. */
  constructor(private readonly sizeOf: (number: number) => number) {}

  /** At least one part, however short the stream; a part is known to be the last when the stream has ended. */
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

  /** The part has arrived: its buffer may hold another. */
  giveBack({ bytes, isLast }: Part): void {
    if (!isLast) this.free.push(bytes);
  }

  private take(size: number): Buffer {
    const buffer = this.free.pop();
    // One of a smaller size is left to the garbage collector.
    return buffer?.length === size ? buffer : Buffer.allocUnsafeSlow(size);
  }
}
