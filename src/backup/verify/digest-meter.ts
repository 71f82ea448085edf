import { createHash } from 'node:crypto';

/** Counts and digests the bytes of a stream. */
export class DigestMeter {
  bytes = 0;
  private readonly hash = createHash('sha256');

  /** @param onBytes called with the number of bytes so far, for every chunk */
  constructor(private readonly onBytes?: (bytes: number) => void) {}

  async *through(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of source) {
      this.add(chunk);
      yield chunk;
    }
  }

  add(chunk: Buffer): void {
    this.bytes += chunk.length;
    this.hash.update(chunk);
    this.onBytes?.(this.bytes);
  }

  /** Returns the digest in hex. No bytes can be added after it. */
  digest(): string {
    return this.hash.digest('hex');
  }
}
