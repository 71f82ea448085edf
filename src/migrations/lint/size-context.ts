import type { TableName } from './ast.js';
import type { LintContext, LintFile } from './lint.types.js';
import type { RuleContext } from './rule.js';
import type { SchemaMemory } from './schema-memory.js';

/** From here on a scan under a lock is noticed: at 10,000 rows or 10 MB it takes some hundredths of a second. */
const LARGE = { rows: 10_000, bytes: 10 * 1024 * 1024 };

/** The questions about tables that rules ask, answered for one file. */
export function sizeContext(
  file: LintFile,
  pendingFiles: ReadonlySet<string>,
  schema: SchemaMemory,
  { sizes }: LintContext,
): Pick<RuleContext, 'isNew' | 'mayHoldRows' | 'isLarge' | 'sizeText'> {
  const sizeOf = (table: TableName) => sizes?.get(schema.key(table));
  const isNew = (table: TableName): boolean => {
    const createdIn = schema.table(table)?.createdIn;
    if (createdIn === undefined) return false;
    // CREATE TABLE IF NOT EXISTS, and it does.
    if (file.isPending === true && sizeOf(table)) return false;
    return createdIn === file.path || (file.isPending === true && pendingFiles.has(createdIn));
  };
  return {
    isNew,
    mayHoldRows: (table) => {
      if (isNew(table)) return schema.table(table)?.isFilled === true;
      return sizeOf(table)?.bytes !== 0;
    },
    isLarge: (table) => {
      if (isNew(table)) return false;
      const size = sizeOf(table);
      return size === undefined || size.rows >= LARGE.rows || size.bytes >= LARGE.bytes;
    },
    sizeText: (table) => {
      const size = sizeOf(table);
      if (isNew(table)) return 'made and filled by these migrations';
      if (size === undefined) return 'size not known, taken for large';
      return `about ${Math.round(size.rows).toLocaleString('en-US')} rows, ${inUnits(size.bytes)}`;
    },
  };
}

function inUnits(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.round(bytes / 1024)} kB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
