import { createHash } from 'node:crypto';

/** Counts and digests bytes on their way. */
export class DigestMeter {
  bytes = 0;
  private readonly hash = createHash('sha256');

  /** @param onBytes is told the number so far, for every chunk */
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

  /** In hex; the meter takes no more after this. */
  digest(): string {
    return this.hash.digest('hex');
  }
}
