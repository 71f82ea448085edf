import { Readable } from 'node:stream';
import { expect, it } from '@jest/globals';
import { PartReader, partsAtOnce, partSize, type Part } from '../../src/storage/s3/parts.js';

const GIB = 1024 ** 3;

async function partsOf(chunks: readonly string[], size: number): Promise<string[]> {
  const reader = new PartReader(() => size);
  const found: string[] = [];
  for await (const part of reader.read(Readable.from(chunks), new AbortController().signal)) {
    found.push(`${part.number}${part.isLast ? ' last' : ''}: ${part.bytes.toString()}`);
    reader.giveBack(part);
  }
  return found;
}

it('cuts a stream into parts, whatever its chunks are', async () => {
  expect(await partsOf([], 3)).toEqual(['1 last: ']);
  expect(await partsOf(['abc'], 3)).toEqual(['1 last: abc']);
  expect(await partsOf(['a', 'b', 'cd'], 3)).toEqual(['1: abc', '2 last: d']);
  expect(await partsOf(['abcdefgh'], 3)).toEqual(['1: abc', '2: def', '3 last: gh']);
});

it('uses a buffer again once its part has arrived', async () => {
  const reader = new PartReader(() => 4);
  const buffers = new Set<ArrayBufferLike>();
  const body = Readable.from(Array.from({ length: 100 }, () => 'abcd'));
  const late: Part[] = [];
  for await (const part of reader.read(body, new AbortController().signal)) {
    buffers.add(part.bytes.buffer);
    late.push(part);
    // Two are always on their way.
    const arrived = late.length > 2 ? late.shift() : undefined;
    if (arrived) reader.giveBack(arrived);
  }
  expect(buffers.size).toBeLessThanOrEqual(4);
});

it('reaches hundreds of gigabytes within the 10,000 parts of S3, in bounded memory', () => {
  let bytes = 0;
  for (let number = 1; number <= 10_000; number += 1) {
    const size = partSize(number);
    bytes += size;
    // One more is being filled.
    const held = (partsAtOnce(size) + 1) * size;
    expect(held).toBeLessThanOrEqual(bytes < 109 * GIB ? 64 * 1024 ** 2 : 256 * 1024 ** 2);
  }
  expect(bytes / GIB).toBeGreaterThan(480);
});
