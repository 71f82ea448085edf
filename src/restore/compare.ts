import type { Manifest, TableContents } from '../backup/backup.types.js';
import { CATALOGUE_SECTIONS, type CatalogueSection } from '../catalogue/catalogue.types.js';
import { CONTENT_HASH_METHOD } from '../backup/table-contents.js';
import { majorOf } from './server-version.js';
import type { CheckedForeignKey, Restored, RestoredSequence } from './read-restored.js';
import type { Comparison, ComparisonName, TableComparison } from './restore.types.js';

/** How many names one line of details shows. */
const SHOWN = 5;

/** What of a manifest a restored database is compared with. */
export type Expected = Pick<
  Manifest,
  'tables' | 'catalogue' | 'sequences' | 'migrations' | 'contentHashMethod'
>;

/** Compares a restored database with the manifest of what was dumped. Pure. */
export function compareRestored(
  expected: Expected,
  found: Restored,
): { comparisons: Comparison[]; tables: TableComparison[] } {
  const tables = compareTables(expected.tables, withoutUnread(expected, found.tables));
  const comparisons = [
    presence(tables),
    rowCounts(tables),
    contents(tables, expected.contentHashMethod),
    ...CATALOGUE_SECTIONS.map((section) => catalogueSection(section, expected, found)),
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
  serverVersion: string,
): readonly Comparison[] {
  if (!manifest) return [foreignKeys(found.foreignKeys)];
  const { comparisons } = compareRestored(manifest, found);
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

/** Every table of either side, by name. */
function compareTables(
  expected: readonly TableContents[],
  found: readonly TableContents[],
): TableComparison[] {
  const wanted = new Map(expected.map((table) => [table.name, table]));
  const there = new Map(found.map((table) => [table.name, table]));
  return [...new Set([...wanted.keys(), ...there.keys()])].toSorted().map((name) => {
    const [before, after] = [wanted.get(name), there.get(name)];
    return {
      name,
      expectedRows: before?.rows ?? null,
      foundRows: after?.rows ?? null,
      sameContents: before !== undefined && before.contentHash === after?.contentHash,
    };
  });
}

function presence(tables: readonly TableComparison[]): Comparison {
  const missing = tables.filter(({ foundRows }) => foundRows === null).map(({ name }) => name);
  const added = tables.filter(({ expectedRows }) => expectedRows === null).map(({ name }) => name);
  return judged('tables', `${counted(tables.length, 'table')}, and no other`, [
    ...missing.map((name) => `${name} is missing`),
    ...added.map((name) => `${name} was not in the backup`),
  ]);
}

function rowCounts(tables: readonly TableComparison[]): Comparison {
  const total = tables.reduce((sum, { expectedRows }) => sum + (expectedRows ?? 0), 0);
  const faults = tables
    .filter(
      ({ expectedRows, foundRows }) =>
        expectedRows !== null && foundRows !== null && expectedRows !== foundRows,
    )
    .map(
      ({ name, expectedRows, foundRows }) =>
        `${name} has ${number(foundRows)} rows, not ${number(expectedRows)}`,
    );
  return judged('rows', `${counted(total, 'row')}, table by table`, faults);
}

function contents(tables: readonly TableComparison[], method: string): Comparison {
  if (method !== CONTENT_HASH_METHOD) {
    return judged('contents', '', [
      `the backup’s contents were hashed by a method that this version does not know: ${method}`,
    ]);
  }
  const faults = tables
    .filter(
      ({ expectedRows, foundRows, sameContents }) =>
        expectedRows !== null && foundRows !== null && !sameContents,
    )
    .map(({ name }) => `${name} has other contents`);
  return judged('contents', 'the same hash of every table’s contents', faults);
}

function catalogueSection(section: CatalogueSection, expected: Expected, found: Restored): Comparison {
  const [before, after] = [expected.catalogue[section], found.catalogue[section]];
  const [wanted, there] = [new Set(before), new Set(after)];
  const switchedOn = before.filter((line) => !there.has(line) && there.has(enabledAgain(line)));
  const excused = new Set([...switchedOn, ...switchedOn.map(enabledAgain)]);
  const remarks = switchedOn.map((line) => `${line} is on again: a dump does not keep that it was off`);
  return judged(section, [`${number(before.length)}, as they were`, ...remarks].join('; '), [
    ...before.filter((line) => !there.has(line) && !excused.has(line)).map((line) => `missing: ${line}`),
    ...after
      .filter((line) => !wanted.has(line) && !excused.has(line))
      .map((line) => `not in the backup: ${line}`),
  ]);
}

/** A foreign key whose triggers are disabled (letters other than O) as pg_dump writes it: as if they were not. */
function enabledAgain(line: string): string {
  return line.replace(/( foreign key .* )([A-Z]+)$/s, (_all, key: string, states: string) =>
    key.concat('O'.repeat(states.length)),
  );
}

function sequences(expected: Expected, found: readonly RestoredSequence[]): Comparison {
  const there = new Map(found.map((sequence) => [sequence.name, sequence]));
  const faults = expected.sequences.flatMap(({ name, lastValue }) => {
    const sequence = there.get(name);
    if (!sequence) return [`${name} is missing`];
    return isBehind(lastValue, sequence)
      ? [`${name} stands at ${sequence.lastValue ?? 'its start'}, behind ${lastValue}`]
      : [];
  });
  return judged('sequences', `${number(expected.sequences.length)}, none behind`, faults);
}

/** A sequence that cycles may rightly have begun anew between its reading and the dump. */
function isBehind(before: string | null, { lastValue, descending, cycles }: RestoredSequence): boolean {
  if (before === null) return false;
  if (lastValue === null) return true;
  if (cycles) return false;
  return descending ? BigInt(lastValue) > BigInt(before) : BigInt(lastValue) < BigInt(before);
}

function foreignKeys(keys: readonly CheckedForeignKey[]): Comparison {
  const faults = keys
    .filter(({ orphans, validated }) => validated && orphans > 0)
    .map(({ name, orphans }) => `${name}: ${counted(orphans, 'row')} without the row referred to`);
  const unchecked = keys
    .filter(({ validated }) => !validated)
    .map(({ name, orphans }) => `${name} is NOT VALID (${counted(orphans, 'orphan')}, as in the backup)`);
  const disabled = keys.filter(({ enabled }) => !enabled).map(({ name }) => `${name} has disabled triggers`);
  const remarks = [...unchecked, ...disabled];
  const sound = `${counted(keys.length, 'foreign key')}, no orphan`;
  return judged('foreignKeys', [sound, ...(remarks.length > 0 ? [listed(remarks)] : [])].join('; '), faults);
}

function migrations({ migrations: before }: Expected, { migrations: after }: Restored): Comparison {
  if (before === null || after === null) {
    const fault =
      before === after ? [] : [`the history is ${after === null ? 'missing' : 'not in the backup'}`];
    return judged('migrations', 'no _prisma_migrations, as in the backup', fault);
  }
  const lineOf = ({ name, checksum }: { name: string; checksum: string }): string => `${name} ${checksum}`;
  const [wanted, there] = [new Set(before.map(lineOf)), new Set(after.map(lineOf))];
  return judged('migrations', `${number(before.length)} applied, the same checksums`, [
    ...before.filter((row) => !there.has(lineOf(row))).map(({ name }) => `${name} is missing or differs`),
    ...after.filter((row) => !wanted.has(lineOf(row))).map(({ name }) => `${name} was not in the backup`),
  ]);
}

function judged(name: ComparisonName, sound: string, faults: readonly string[]): Comparison {
  return { name, ok: faults.length === 0, details: faults.length === 0 ? sound : listed(faults) };
}

function listed(parts: readonly string[]): string {
  const rest = parts.length > SHOWN ? [`and ${parts.length - SHOWN} more`] : [];
  return [...parts.slice(0, SHOWN), ...rest].join('; ');
}

function counted(count: number, noun: string): string {
  return `${number(count)} ${noun}${count === 1 ? '' : 's'}`;
}

function number(count: number | null): string {
  return (count ?? 0).toLocaleString('en-US');
}
