import type { Manifest } from '../../backup/backup.types.js';
import { PgkeepError } from '../../core/errors.js';
import { shellWord } from '../../core/text.js';
import { CATALOGUE_SECTIONS } from '../../postgres/catalogue/read-catalogue.js';
import { type ArchiveEntry, entryName } from '../archive/table-of-contents.js';
import { subjectOf } from './structure-lines.js';
import type { Comparison, Finding } from './comparison.js';

const RESTORE = 'restore:';

/** The findings that a person accepted with `--despite`, by name: a backup is restored in spite of them. */
export class Despite {
  private readonly named: ReadonlySet<string>;

  constructor(readonly names: readonly string[]) {
    this.named = new Set(names);
  }

  has(name: string): boolean {
    return this.named.has(name);
  }

  /** Whether the person accepted that this entry of the archive is not restored. */
  readonly isNamed = (entry: ArchiveEntry): boolean => this.named.has(`${RESTORE}${entryName(entry)}`);

  /** The same for an object as `pg_describe_object` names it: `event trigger audit`. */
  readonly isNamedObject = (object: string): boolean =>
    this.names.some((name) => {
      const [type = '', tag] = name.slice(RESTORE.length).split(/:(.*)/s);
      return name.startsWith(RESTORE) && `${type.replaceAll('-', ' ')} ${tag}` === object;
    });

  /**
   * Refuses names that no comparison with this manifest can produce. Runs before anything is changed.
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
   * Refuses names of entries that the archive does not have.
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
   * Refuses names that are not among the findings.
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
      `Refused to restore ${backup}: ${wrong.join(', ')} ${what} of this backup. The database was not changed.`,
      { hint: `List its findings: \`pgkeep restore test ${backup}\`.` },
    );
  }
}

/** Returns every finding that a comparison with this manifest can produce, except objects that are not in the backup. */
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

/** Returns the findings of all comparisons. */
export function findingsOf(comparisons: readonly Comparison[]): Finding[] {
  return comparisons.flatMap(({ findings }) => findings);
}

/** Returns the options that accept these findings, quoted for a shell: `--despite A --despite 'B C'`. */
export function despiteOptions(findings: readonly Finding[]): string {
  return [...new Set(findings.map(({ name }) => name))]
    .map((name) => `--despite ${shellWord(name)}`)
    .join(' ');
}
