import type { Manifest, TableContents } from '../../backup/backup.types.js';
import { counted, formatCount } from '../../core/text.js';
import {
  type Catalogue,
  CATALOGUE_SECTIONS,
  type CatalogueSection,
} from '../../postgres/catalogue/read-catalogue.js';
import { majorOf } from '../archive/archive-header.js';
import { compareTables, contents, presence, rowCounts } from './compare-tables.js';
import {
  type Comparison,
  type ComparisonName,
  finding,
  type Finding,
  judged,
  joined,
  type TableComparison,
} from './comparison.js';
import type { CheckedForeignKey, Restored, RestoredSequence } from './read-restored.js';
import { type DifferenceContext, differenceOf, SIMPLE_NAME, TABLE_NAME } from './structure-differences.js';

/** `table constraint`: the table first. */
const KEY_NAME = new RegExp(`^(${TABLE_NAME}) (.*)$`, 's');

/** What of a manifest a restored database is compared with. */
export type Expected = Pick<
  Manifest,
  'tables' | 'catalogue' | 'sequences' | 'migrations' | 'contentHashMethod'
>;

/** Extensions that a restore had to leave out, and why. */
export type LeftOutExtensions = ReadonlyMap<string, string>;

/**
 * Compares a restored database with the manifest of what was dumped. Pure. What no restore can avoid is reported and
 * fails nothing: docs/backup-comparison.md lists it.
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

/** What holds on every major version: another one writes definitions, and hashes, in its own way. */
const OF_EVERY_VERSION: ReadonlySet<ComparisonName> = new Set<ComparisonName>([
  'tables',
  'rows',
  'sequences',
  'foreignKeys',
  'migrations',
]);

/** Compares what can be compared: without a manifest the foreign keys alone, on another major version a part. */
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

/** A dump that was taken on a standby holds its unlogged tables without their rows, which nobody could count. */
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
    if (!sequence) return [finding('sequences', name, `${name} is missing`)];
    return isBehind(lastValue, sequence)
      ? [
          finding(
            'sequences',
            name,
            `${name} stands at ${sequence.lastValue ?? 'its start'}, behind ${lastValue}`,
          ),
        ]
      : [];
  });
  return judged('sequences', `${formatCount(expected.sequences.length)}, none behind`, { findings });
}

/** A sequence that cycles may rightly have begun anew between its reading and the dump. */
function isBehind(before: string | null, { lastValue, descending, cycles }: RestoredSequence): boolean {
  if (before === null) return false;
  if (lastValue === null) return true;
  if (cycles) return false;
  return descending ? BigInt(lastValue) > BigInt(before) : BigInt(lastValue) < BigInt(before);
}

function foreignKeys(keys: readonly CheckedForeignKey[]): Comparison {
  const unchecked = keys
    .filter(({ validated }) => !validated)
    .map(({ name, orphans }) => `${name} is NOT VALID (${counted(orphans, 'orphan')}, as in the backup)`);
  const disabled = keys.filter(({ enabled }) => !enabled).map(({ name }) => `${name} has disabled triggers`);
  const remarks = [...unchecked, ...disabled];
  const sound = `${counted(keys.length, 'foreign key')}, no orphan`;
  return judged('foreignKeys', [sound, ...(remarks.length > 0 ? [joined(remarks)] : [])].join('; '), {
    findings: keys
      .filter(({ orphans, validated }) => validated && orphans > 0)
      .map(({ name, orphans }) =>
        finding(
          'foreignKeys',
          name.replace(KEY_NAME, '$1.$2'),
          `${name}: ${counted(orphans, 'row')} without the row referred to`,
        ),
      ),
  });
}

function migrations({ migrations: before }: Expected, { migrations: after }: Restored): Comparison {
  if (before === null || after === null) {
    const details = `the history is ${after === null ? 'missing' : 'not in the backup'}`;
    return judged('migrations', 'no _prisma_migrations, as in the backup', {
      findings: before === after ? [] : [finding('migrations', '_prisma_migrations', details)],
    });
  }
  const lineOf = ({ name, checksum }: { name: string; checksum: string }): string => `${name} ${checksum}`;
  const [wanted, there] = [new Set(before.map(lineOf)), new Set(after.map(lineOf))];
  return judged('migrations', `${formatCount(before.length)} applied, the same checksums`, {
    findings: [
      ...before
        .filter((row) => !there.has(lineOf(row)))
        .map(({ name }) => finding('migrations', name, `${name} is missing or differs`)),
      ...after
        .filter((row) => !wanted.has(lineOf(row)))
        .map(({ name }) => finding('migrations', name, `${name} was not in the backup`)),
    ],
  });
}

/** How each section's lines name what they are about. */
const SUBJECTS: Readonly<Record<CatalogueSection, RegExp>> = {
  relations: new RegExp(`^\\w (${TABLE_NAME})`),
  columns: new RegExp(`^(${TABLE_NAME}\\.${SIMPLE_NAME})`),
  constraints: new RegExp(`^(${TABLE_NAME}) (${SIMPLE_NAME})`),
  indexes: new RegExp(`^(${TABLE_NAME})`),
  triggers: new RegExp(`^(?:event trigger|(${TABLE_NAME})(?: foreign key)?) (${SIMPLE_NAME})`),
  rowSecurity: new RegExp(`^(${TABLE_NAME})(?: policy (${SIMPLE_NAME}))?`),
  extensions: new RegExp(`^(${SIMPLE_NAME})`),
};

/** Compares the fingerprint of a restored database with the backup's, section by section. Pure. */
function compareStructure(found: Catalogue, context: DifferenceContext): Comparison[] {
  return CATALOGUE_SECTIONS.map((section) => {
    const { missing, added, reported } = differenceOf(section, found, context);
    const findingOf = (line: string, details: string): Finding =>
      finding(section, subjectOf(section, line), details);
    return judged(section, `${formatCount(context.expected[section].length)}, as they were`, {
      reported,
      findings: [
        ...missing.map((line) => findingOf(line, `missing: ${line}`)),
        ...added.map((line) => findingOf(line, `not in the backup: ${line}`)),
      ],
    });
  });
}

/** What a line of the fingerprint is about: `public.t.in_ledger`. Pure. */
export function subjectOf(section: CatalogueSection, line: string): string {
  const [, ...parts] = SUBJECTS[section].exec(line) ?? [];
  return parts.filter((part) => part !== undefined).join('.') || line;
}
