import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';

const BLOCK = randomBytes(65_536);

/**
 * Bytes that no two positions share by chance: random blocks, each stamped with its number. With `then`, which
 * runs after the last of them, the stream fails, hangs or does something to the world in its middle.
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
