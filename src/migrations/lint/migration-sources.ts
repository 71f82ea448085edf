import { type Baseline, baselineFile, readBaseline } from './baseline.js';
import { readBytes } from './find-files.js';

/** A migrations directory and its baseline. Each file is read at most once, so that every decision is about one content. */
export class MigrationSources {
  private readonly contents = new Map<string, Buffer | null>();
  private baselineRead: Promise<Baseline> | undefined;

  constructor(readonly directory: string) {}

  /**
   * @returns null if there is no such file.
   * @throws PgkeepError `MIGRATIONS_UNREADABLE`.
   */
  read(file: string): Buffer | null {
    const known = this.contents.get(file);
    if (known !== undefined) return known;
    const content = readBytes(file);
    this.contents.set(file, content);
    return content;
  }

  /** @throws PgkeepError `LINT_FAILED` if the baseline exists and cannot be read. */
  async baseline(): Promise<Baseline> {
    this.baselineRead ??= readBaseline(baselineFile(this.directory));
    return await this.baselineRead;
  }
}
