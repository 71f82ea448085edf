import { Readable } from 'node:stream';
import { expect, it } from '@jest/globals';
import { PartReader, concurrentParts, partSizes, type Part } from '../../src/storage/s3/parts.js';

const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

async function partsOf(chunks: readonly string[], size: number): Promise<string[]> {
  const reader = new PartReader(() => size);
  const found: string[] = [];
  for await (const part of reader.read(Readable.from(chunks), new AbortController().signal)) {
    found.push(`${part.number}${part.isLast ? ' last' : ''}: ${part.bytes.toString()}`);
    reader.recycle(part);
  }
  return found;
}

it('splits a stream into parts, whatever its chunks are', async () => {
  expect(await partsOf([], 3)).toEqual(['1 last: ']);
  expect(await partsOf(['abc'], 3)).toEqual(['1 last: abc']);
  expect(await partsOf(['a', 'b', 'cd'], 3)).toEqual(['1: abc', '2 last: d']);
  expect(await partsOf(['abcdefgh'], 3)).toEqual(['1: abc', '2: def', '3 last: gh']);
});

it('reuses a buffer once its part has arrived', async () => {
  const reader = new PartReader(() => 4);
  const buffers = new Set<ArrayBufferLike>();
  const body = Readable.from(Array.from({ length: 100 }, () => 'abcd'));
  const late: Part[] = [];
  for await (const part of reader.read(body, new AbortController().signal)) {
    buffers.add(part.bytes.buffer);
    late.push(part);
    // Two parts are always in transit.
    const arrived = late.length > 2 ? late.shift() : undefined;
    if (arrived) reader.recycle(arrived);
  }
  expect(buffers.size).toBeLessThanOrEqual(4);
});

it('supports hundreds of gigabytes within the 10,000 parts of S3, in bounded memory, if the length is unknown', () => {
  let bytes = 0;
  const partSize = partSizes(undefined);
  for (let number = 1; number <= 10_000; number += 1) {
    const size = partSize(number);
    bytes += size;
    // One more part is being filled.
    const held = (concurrentParts(size) + 1) * size;
    expect(held).toBeLessThanOrEqual(bytes < 109 * GIB ? 64 * 1024 ** 2 : 256 * 1024 ** 2);
  }
  expect(bytes / GIB).toBeGreaterThan(480);
});

it.each([
  ['nothing', 0, 8, 0],
  ['a gigabyte', GIB, 8, 128],
  ['the largest in 1,000 parts of 8 MiB', 8000 * MIB, 8, 1000],
  ['one byte more', 8000 * MIB + 1, 9, 889],
  ['100 GiB', 100 * GIB, 103, 995],
  ['250 GiB', 250 * GIB, 256, 1000],
  ['300 GiB, beyond the servers with few parts', 300 * GIB, 256, 1200],
  ['the largest object', 5 * 1024 * GIB, 525, 9987],
])('chooses the parts of a known length: %s', (_what, bytes, megabytes, count) => {
  const size = partSizes(bytes)(1);
  expect([size / MIB, Math.ceil(bytes / size)]).toEqual([megabytes, count]);
});
