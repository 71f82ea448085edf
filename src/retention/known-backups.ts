import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { BackupStorage } from '../storage/storage.types.js';

/** Which backups the last prune left, kept beside them: a listing that lost many since is not to be acted on. */
export class KnownBackups {
  private readonly key: string;

  /** @param subject whose backups they are: one file for each database and environment */
  constructor(
    private readonly storage: BackupStorage,
    subject: string,
  ) {
    this.key = `${subject}.known-backups.json`;
  }

  async read(): Promise<readonly string[]> {
    if (!(await this.storage.head(this.key))) return [];
    const parsed: unknown = JSON.parse(await text(await this.storage.get(this.key)));
    return Array.isArray(parsed) ? parsed.filter((name) => typeof name === 'string') : [];
  }

  async write(names: readonly string[]): Promise<void> {
    const body = Readable.from([Buffer.from(`${JSON.stringify(names, null, 2)}\n`)]);
    await this.storage.put(this.key, body, { signal: new AbortController().signal });
  }
}
