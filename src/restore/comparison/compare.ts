import type { AppliedMigration, Manifest, TableContents } from '../../backup/backup.types.js';
import { majorOf } from '../../backup/postgres-tools.js';
import { counted, formatCount } from '../../core/text.js';
import {
  type Catalogue,
  CATALOGUE_SECTIONS,
  type CatalogueSection,
} from '../../postgres/catalogue/read-catalogue.js';
import { compareTables, contents, presence, rowCounts } from './compare-tables.js';
import {
  type Comparison,
  type ComparisonName,
  finding,
  type Finding,
  joined,
  judged,
  type TableComparison,
} from './comparison.js';
import type { CheckedForeignKey, Restored, RestoredSequence } from './read-restored.js';
import { type Difference, type DifferenceContext, differenceOf } from './structure-differences.js';
import { describeLine, subjectOf, TABLE_NAME } from './structure-lines.js';

/** The name of a foreign key: its table, then its own. */
const KEY_NAME = new RegExp(`^(${TABLE_NAME}) (.*)$`, 's');

/** The parts of a manifest that a restored database is compared with. */
export type Expected = Pick<
  Manifest,
  'tables' | 'catalogue' | 'sequences' | 'migrations' | 'contentHashMethod'
>;

/** Extensions that a restore left out, and why. */
export type LeftOutExtensions = ReadonlyMap<string, string>;

/**
 * Compares a restored database with the manifest of its backup. Pure. A difference that no restore can avoid is reported
 * and fails nothing: docs/backup-comparison.md lists them.
 */
export function compareRestored(
  expected: Expected,
  found: Restored,
  leftOut: LeftOutExtensions = new Map(),
): { comparisons: Comparison[]; tables: TableComparison[] } {
  const { inheritance } = found;
  const tables = compareTables(expected.tables, withoutUnread(expected, found.tables), inheritance.hashed);
  const comparisons = [
    presence(tables),
    rowCounts(tables),
    contents(tables, expected.contentHashMethod),
    ...compareStructure(found.catalogue, { expected: expected.catalogue, inheritance, leftOut }),
    sequences(expected, found.sequences),
    foreignKeys(found.foreignKeys),
    migrations(expected, found),
  ];
  return { comparisons, tables };
}

/** The comparisons that hold across major versions: each version writes definitions, and hashes values, differently. */
const OF_EVERY_VERSION: ReadonlySet<ComparisonName> = new Set<ComparisonName>([
  'tables',
  'rows',
  'sequences',
  'foreignKeys',
  'migrations',
]);

/** Compares what can be compared: without a manifest only the foreign keys, across major versions a part. */
export function compareWith(
  manifest: Manifest | null,
  found: Restored,
  { serverVersion, leftOut }: { serverVersion: string; leftOut: LeftOutExtensions },
): readonly Comparison[] {
  if (!manifest) return [foreignKeys(found.foreignKeys)];
  const { comparisons } = compareRestored(manifest, found, leftOut);
  if (majorOf(manifest.serverVersion) === majorOf(serverVersion)) return comparisons;
  return comparisons.filter(({ name }) => OF_EVERY_VERSION.has(name));
}

/** Leaves out the unlogged tables of a dump from a standby, which cannot read their rows: the manifest has no counts. */
function withoutUnread(
  { tables, catalogue }: Expected,
  found: readonly TableContents[],
): readonly TableContents[] {
  const read = new Set(tables.map(({ name }) => name));
  const known = new Set(catalogue.relations);
  return found.filter(({ name }) => read.has(name) || !known.has(`r ${name} unlogged`));
}

function sequences(expected: Expected, found: readonly RestoredSequence[]): Comparison {
  const there = new Map(found.map((sequence) => [sequence.name, sequence]));
  const findings = expected.sequences.flatMap(({ name, lastValue }) => {
    const sequence = there.get(name);
    if (!sequence) return [finding('sequences', name, `sequence ${name} is missing`)];
    return isBehind(lastValue, sequence)
      ? [
          finding(
            'sequences',
            name,
            `sequence ${name} is at ${sequence.lastValue ?? 'its start'}, expected ${lastValue} or later`,
          ),
        ]
      : [];
  });
  return judged('sequences', `${formatCount(expected.sequences.length)}, none behind the backup`, {
    findings,
  });
}

/** Whether a sequence would return values again. One that cycles may have started over between its reading and the dump. */
function isBehind(before: string | null, { lastValue, descending, cycles }: RestoredSequence): boolean {
  if (before === null) return false;
  if (lastValue === null) return true;
  if (cycles) return false;
  return descending ? BigInt(lastValue) > BigInt(before) : BigInt(lastValue) < BigInt(before);
}

function foreignKeys(keys: readonly CheckedForeignKey[]): Comparison {
  const unchecked = keys
    .filter(({ validated }) => !validated)
    .map(
      ({ name, orphans }) =>
        `${keyText(name)} is NOT VALID (${counted(orphans, 'orphaned row')}, as in the backup)`,
    );
  const disabled = keys.filter(({ enabled }) => !enabled).map(({ name }) => `${keyText(name)} is disabled`);
  const remarks = [...unchecked, ...disabled];
  const sound = `${counted(keys.length, 'foreign key')}, no orphaned rows`;
  return judged('foreignKeys', [sound, ...(remarks.length > 0 ? [joined(remarks)] : [])].join('; '), {
    findings: keys
      .filter(({ orphans, validated }) => validated && orphans > 0)
      .map(({ name, orphans }) =>
        finding(
          'foreignKeys',
          name.replace(KEY_NAME, '$1.$2'),
          `${keyText(name)}: ${counted(orphans, 'row')} whose referenced row is missing`,
        ),
      ),
  });
}

function migrations({ migrations: before }: Expected, { migrations: after }: Restored): Comparison {
  if (before === null || after === null) {
    const details = `_prisma_migrations is ${after === null ? 'missing' : 'not in the backup'}`;
    return judged('migrations', 'no _prisma_migrations, as in the backup', {
      findings: before === after ? [] : [finding('migrations', '_prisma_migrations', details)],
    });
  }
  const differs = (row: AppliedMigration, others: readonly AppliedMigration[]): boolean =>
    !others.some(({ name, checksum }) => name === row.name && checksum === row.checksum);
  const isIn = (others: readonly AppliedMigration[], row: AppliedMigration): boolean =>
    others.some(({ name }) => name === row.name);
  return judged('migrations', `${formatCount(before.length)} applied, checksums match`, {
    findings: [
      ...before
        .filter((row) => differs(row, after))
        .map((row) =>
          finding(
            'migrations',
            row.name,
            `migration ${row.name} ${isIn(after, row) ? 'has another checksum' : 'is missing'}`,
          ),
        ),
      ...after
        .filter((row) => differs(row, before) && !isIn(before, row))
        .map(({ name }) => finding('migrations', name, `migration ${name} is not in the backup`)),
    ],
  });
}

function keyText(name: string): string {
  return name.replace(KEY_NAME, 'foreign key $2 of $1');
}

/** Compares the fingerprint of a restored database with the backup's, section by section. Pure. */
function compareStructure(found: Catalogue, context: DifferenceContext): Comparison[] {
  return CATALOGUE_SECTIONS.map((section) => {
    const { reported, ...lines } = differenceOf(section, found, context);
    const { length } = context.expected[section];
    const unchanged = length === 0 ? 'none' : `${formatCount(length)}, unchanged`;
    return judged(section, unchanged, { reported, findings: findingsOf(section, lines) });
  });
}

/** One finding per object: it is missing, it was added, or its definition changed. */
function findingsOf(
  section: CatalogueSection,
  { missing, added }: Pick<Difference, 'missing' | 'added'>,
): Finding[] {
  const restored = new Map(added.map((line) => [describeLine(section, line).object, line]));
  const findings = missing.map((line) => {
    const { object, definition } = describeLine(section, line);
    const other = restored.get(object);
    restored.delete(object);
    const details =
      other === undefined
        ? [`${object} is missing`, definition].filter(Boolean).join(': ')
        : `${object} differs: restored as "${describeLine(section, other).definition}", expected "${definition}"`;
    return finding(section, subjectOf(section, line), details);
  });
  const extra = [...restored].map(([object, line]) => {
    const { definition } = describeLine(section, line);
    const details = [`${object} is not in the backup`, definition].filter(Boolean).join(': ');
    return finding(section, subjectOf(section, line), details);
  });
  return [...findings, ...extra];
}
