import type { TableContents } from '../../backup/backup.types.js';
import { CONTENT_HASH_METHOD } from '../../backup/create/table-contents.js';
import { counted, formatCount } from '../../core/text.js';
import { type Comparison, failedComparison, finding, judged, type TableComparison } from './comparison.js';

/** One table in the backup and in the restored database; undefined if it is missing there. */
interface Pair {
  readonly name: string;
  readonly before: TableContents | undefined;
  readonly after: TableContents | undefined;
}

/**
 * Compares the tables of the backup and of the restored database, by name. Pure.
 * @param hashed the topmost hash-partitioned table above each partition
 */
export function compareTables(
  expected: readonly TableContents[],
  found: readonly TableContents[],
  hashed: ReadonlyMap<string, string>,
): TableComparison[] {
  const wanted = new Map(expected.map((table) => [table.name, table]));
  const there = new Map(found.map((table) => [table.name, table]));
  const pairs = [...new Set([...wanted.keys(), ...there.keys()])]
    .toSorted()
    .map((name): Pair => ({ name, before: wanted.get(name), after: there.get(name) }));
  const complete = tablesWithAllRows(pairs, hashed);
  return pairs.map(({ name, before, after }) => {
    const sameContents = before !== undefined && before.contentHash === after?.contentHash;
    const isSame = sameContents && before.rows === after.rows;
    return {
      name,
      expectedRows: before?.rows ?? null,
      foundRows: after?.rows ?? null,
      sameContents,
      reported: isSame ? undefined : reasonOf({ name, before, after }, hashed, complete),
    };
  });
}

/** Returns why a table differs if no restore can avoid it. */
function reasonOf(
  { name, before, after }: Pair,
  hashed: ReadonlyMap<string, string>,
  complete: ReadonlySet<string>,
): string | undefined {
  if (!before || !after) return undefined;
  const above = hashed.get(name);
  if (above !== undefined && complete.has(above)) {
    return `rows moved between the partitions of ${above}, none is lost: a dump loads them through the partitioned table, and an enum value has another hash in each database`;
  }
  if (before.rows !== after.rows || before.writtenHash === undefined) return undefined;
  return before.writtenHash === after.writtenHash
    ? 'generated columns were computed again and have other values; all other columns are unchanged'
    : undefined;
}

/** Returns the hash-partitioned tables whose partitions together have the rows of the backup: the hashes are sums. */
function tablesWithAllRows(pairs: readonly Pair[], hashed: ReadonlyMap<string, string>): Set<string> {
  const differences = new Map<string, { rows: number; hash: bigint; isComplete: boolean }>();
  for (const { name, before, after } of pairs) {
    const above = hashed.get(name);
    if (above === undefined) continue;
    const sum = differences.get(above) ?? { rows: 0, hash: 0n, isComplete: true };
    differences.set(above, {
      rows: sum.rows + (after?.rows ?? 0) - (before?.rows ?? 0),
      hash: sum.hash + BigInt(after?.contentHash ?? 0) - BigInt(before?.contentHash ?? 0),
      isComplete: sum.isComplete && before !== undefined && after !== undefined,
    });
  }
  return new Set(
    [...differences]
      .filter(([, { rows, hash, isComplete }]) => rows === 0 && hash === 0n && isComplete)
      .map(([name]) => name),
  );
}

/** Compares which tables there are. */
export function presence(tables: readonly TableComparison[]): Comparison {
  return judged('tables', `${counted(tables.length, 'table')}, none missing or added`, {
    findings: [
      ...tables
        .filter(({ foundRows }) => foundRows === null)
        .map(({ name }) => finding('tables', name, `table ${name} is missing`)),
      ...tables
        .filter(({ expectedRows }) => expectedRows === null)
        .map(({ name }) => finding('tables', name, `table ${name} is not in the backup`)),
    ],
  });
}

/** Compares the number of rows of each table. */
export function rowCounts(tables: readonly TableComparison[]): Comparison {
  const total = tables.reduce((sum, { expectedRows }) => sum + (expectedRows ?? 0), 0);
  const differing = onBothSides(tables).filter(({ expectedRows, foundRows }) => expectedRows !== foundRows);
  const textOf = ({ name, expectedRows, foundRows }: TableComparison): string =>
    `${name} has ${counted(foundRows ?? 0, 'row')}, expected ${formatCount(expectedRows ?? 0)}`;
  return judged('rows', `${counted(total, 'row')}, counts match in every table`, {
    reported: differing.flatMap((table) =>
      table.reported === undefined ? [] : [`${textOf(table)}: ${table.reported}`],
    ),
    findings: differing
      .filter(({ reported }) => reported === undefined)
      .map((table) => finding('rows', table.name, textOf(table))),
  });
}

/** Compares the hash of each table's contents. */
export function contents(tables: readonly TableComparison[], method: string): Comparison {
  if (method !== CONTENT_HASH_METHOD) {
    return failedComparison(
      'contents',
      `cannot compare: the backup’s content hashes use method "${method}", which this version of pgkeep does not know`,
    );
  }
  const differing = onBothSides(tables).filter(({ sameContents }) => !sameContents);
  return judged('contents', 'hashes match in every table', {
    reported: differing.flatMap(({ name, reported }) =>
      reported === undefined ? [] : [`${name}: ${reported}`],
    ),
    findings: differing
      .filter(({ reported }) => reported === undefined)
      .map(({ name }) => finding('contents', name, `the rows of ${name} have other contents`)),
  });
}

function onBothSides(tables: readonly TableComparison[]): TableComparison[] {
  return tables.filter(({ expectedRows, foundRows }) => expectedRows !== null && foundRows !== null);
}
