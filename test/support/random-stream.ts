import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';

const BLOCK = randomBytes(65_536);

/**
 * A stream in which no two positions are equal by chance: random blocks, each stamped with its number. `then` runs
 * after the last block: there the stream can fail, hang, or cause something else in its middle.
 */
export function randomStream(bytes: number, then?: () => void | Promise<void>): Readable {
  return Readable.from(blocks(bytes, then), { objectMode: false });
}

/** The digest of {@link randomStream}'s bytes. */
export async function randomDigest(bytes: number): Promise<string> {
  return await digestOf(randomStream(bytes));
}

/** Reads a stream to its end. */
export async function digestOf(stream: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest('hex');
}

async function* blocks(bytes: number, then?: () => void | Promise<void>): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < bytes; offset += BLOCK.length) {
    const block = Buffer.from(BLOCK.subarray(0, bytes - offset));
    if (block.length >= 8) block.writeDoubleLE(offset);
    yield block;
  }
  await then?.();
}
