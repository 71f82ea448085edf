import type { TableContents } from '../../backup/backup.types.js';
import { CONTENT_HASH_METHOD } from '../../backup/create/table-contents.js';
import { counted, formatCount } from '../../core/text.js';
import { type Comparison, failedComparison, finding, judged, type TableComparison } from './comparison.js';

/** One table on both sides; undefined where a side does not have it. */
interface Pair {
  readonly name: string;
  readonly before: TableContents | undefined;
  readonly after: TableContents | undefined;
}

/**
 * Compares every table of either side, by name. Pure.
 * @param hashed for each partition below a hash-partitioned table: the topmost one
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
  const whole = tablesWithAllRows(pairs, hashed);
  return pairs.map(({ name, before, after }) => {
    const sameContents = before !== undefined && before.contentHash === after?.contentHash;
    const isSame = sameContents && before.rows === after.rows;
    return {
      name,
      expectedRows: before?.rows ?? null,
      foundRows: after?.rows ?? null,
      sameContents,
      reported: isSame ? undefined : reasonOf({ name, before, after }, hashed, whole),
    };
  });
}

/** Why a table differs, where no restore can avoid it. */
function reasonOf(
  { name, before, after }: Pair,
  hashed: ReadonlyMap<string, string>,
  whole: ReadonlySet<string>,
): string | undefined {
  if (!before || !after) return undefined;
  const above = hashed.get(name);
  if (above !== undefined && whole.has(above)) {
    return `rows moved between the partitions of ${above}, which holds all of them: a dump loads them through it, and an enum hashes anew in each database`;
  }
  if (before.rows !== after.rows || before.writtenHash === undefined) return undefined;
  return before.writtenHash === after.writtenHash
    ? 'generated columns were computed anew and hold other values; all others hold what they held'
    : undefined;
}

/** The hash-partitioned tables whose partitions together hold the rows that they held: the hashes are sums. */
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
  const isWhole = ({
    rows,
    hash,
    isComplete,
  }: {
    rows: number;
    hash: bigint;
    isComplete: boolean;
  }): boolean => rows === 0 && hash === 0n && isComplete;
  return new Set([...differences].filter(([, sum]) => isWhole(sum)).map(([name]) => name));
}

export function presence(tables: readonly TableComparison[]): Comparison {
  return judged('tables', `${counted(tables.length, 'table')}, and no other`, {
    findings: [
      ...tables
        .filter(({ foundRows }) => foundRows === null)
        .map(({ name }) => finding('tables', name, `${name} is missing`)),
      ...tables
        .filter(({ expectedRows }) => expectedRows === null)
        .map(({ name }) => finding('tables', name, `${name} was not in the backup`)),
    ],
  });
}

export function rowCounts(tables: readonly TableComparison[]): Comparison {
  const total = tables.reduce((sum, { expectedRows }) => sum + (expectedRows ?? 0), 0);
  const differing = onBothSides(tables).filter(({ expectedRows, foundRows }) => expectedRows !== foundRows);
  const textOf = ({ name, expectedRows, foundRows }: TableComparison): string =>
    `${name} has ${counted(foundRows ?? 0, 'row')}, not ${formatCount(expectedRows ?? 0)}`;
  return judged('rows', `${counted(total, 'row')}, table by table`, {
    reported: differing.flatMap((table) =>
      table.reported === undefined ? [] : [`${textOf(table)}: ${table.reported}`],
    ),
    findings: differing
      .filter(({ reported }) => reported === undefined)
      .map((table) => finding('rows', table.name, textOf(table))),
  });
}

export function contents(tables: readonly TableComparison[], method: string): Comparison {
  if (method !== CONTENT_HASH_METHOD) {
    return failedComparison(
      'contents',
      `the backup’s contents were hashed by a method that this version does not know: ${method}`,
    );
  }
  const differing = onBothSides(tables).filter(({ sameContents }) => !sameContents);
  return judged('contents', 'the same hash of every table’s contents', {
    reported: differing.flatMap(({ name, reported }) =>
      reported === undefined ? [] : [`${name}: ${reported}`],
    ),
    findings: differing
      .filter(({ reported }) => reported === undefined)
      .map(({ name }) => finding('contents', name, `${name} has other contents`)),
  });
}

function onBothSides(tables: readonly TableComparison[]): TableComparison[] {
  return tables.filter(({ expectedRows, foundRows }) => expectedRows !== null && foundRows !== null);
}
