import type { Manifest } from '../../backup/backup.types.js';
import { PgkeepError } from '../../core/errors.js';
import { CATALOGUE_SECTIONS } from '../../postgres/catalogue/read-catalogue.js';
import { type ArchiveEntry, entryName } from '../archive/table-of-contents.js';
import { subjectOf } from './compare.js';
import type { Comparison, Finding } from './comparison.js';

const RESTORE = 'restore:';

/** The findings that a person named, in spite of which a backup is restored. */
export class Despite {
  private readonly named: ReadonlySet<string>;

  constructor(readonly names: readonly string[]) {
    this.named = new Set(names);
  }

  has(name: string): boolean {
    return this.named.has(name);
  }

  /** Whether an entry of the archive was named as one that cannot be restored. */
  readonly isNamed = (entry: ArchiveEntry): boolean => this.named.has(`${RESTORE}${entryName(entry)}`);

  /** Whether an object was named as one that cannot be restored, in PostgreSQL's words: `event trigger audit`. */
  readonly isNamedObject = (object: string): boolean =>
    this.names.some((name) => {
      const [type = '', tag] = name.slice(RESTORE.length).split(/:(.*)/s);
      return name.startsWith(RESTORE) && `${type.replaceAll('-', ' ')} ${tag}` === object;
    });

  /**
   * Refuses a name that nothing of the manifest goes by, before anything is done.
   * @throws PgkeepError `RESTORE_REFUSED`.
   */
  requireKnown(backup: string, manifest: Manifest | null): void {
    if (this.names.length === 0) return;
    const possible = new Set(manifest ? possibleFindings(manifest) : []);
    const isLater = (name: string): boolean => name.startsWith(RESTORE) || name.startsWith('foreignKeys:');
    this.refuse(
      backup,
      this.names.filter((name) => !possible.has(name) && !isLater(name)),
    );
  }

  /**
   * Refuses an entry that the archive does not have.
   * @throws PgkeepError `RESTORE_REFUSED`.
   */
  requireEntries(backup: string, entries: readonly ArchiveEntry[]): void {
    const there = new Set(entries.map((entry) => `${RESTORE}${entryName(entry)}`));
    this.refuse(
      backup,
      this.names.filter((name) => name.startsWith(RESTORE) && !there.has(name)),
    );
  }

  /**
   * Refuses a name that turned out to be none of the findings.
   * @throws PgkeepError `RESTORE_REFUSED`.
   */
  requireFound(backup: string, findings: readonly Finding[]): void {
    const found = new Set(findings.map(({ name }) => name));
    this.refuse(
      backup,
      this.names.filter((name) => !found.has(name)),
    );
  }

  private refuse(backup: string, wrong: readonly string[]): void {
    if (wrong.length === 0) return;
    const what = wrong.length === 1 ? 'is not a finding' : 'are not findings';
    throw new PgkeepError(
      'RESTORE_REFUSED',
      `Refused to restore ${backup}: ${wrong.join(', ')} ${what} of this backup. The database was not touched.`,
      { hint: `List its findings: \`pgkeep restore test ${backup}\`.` },
    );
  }
}

/** Whatever a comparison with this manifest can find. What is in the restored database alone cannot be named. */
function possibleFindings({ tables, catalogue, sequences, migrations }: Manifest): string[] {
  return [
    'contents',
    ...tables.flatMap(({ name }) => [`tables:${name}`, `rows:${name}`, `contents:${name}`]),
    ...CATALOGUE_SECTIONS.flatMap((section) =>
      catalogue[section].map((line) => `${section}:${subjectOf(section, line)}`),
    ),
    ...sequences.map(({ name }) => `sequences:${name}`),
    ...(migrations ?? []).map(({ name }) => `migrations:${name}`),
    'migrations:_prisma_migrations',
  ];
}

/** Every finding of every comparison. */
export function findingsOf(comparisons: readonly Comparison[]): Finding[] {
  return comparisons.flatMap(({ findings }) => findings);
}

/** `--despite A --despite 'B C'`, as a shell takes it. */
export function despiteOptions(findings: readonly Finding[]): string {
  return [...new Set(findings.map(({ name }) => name))]
    .map(
      (name) =>
        `--despite ${/^[\w.:,-]+$/.test(name) ? name : `'${name.replaceAll("'", String.raw`'\''`)}'`}`,
    )
    .join(' ');
}
