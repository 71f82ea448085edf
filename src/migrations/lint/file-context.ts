import type { Node } from 'libpg-query';
import { objectName, type TableName } from './ast.js';
import type { LintContext, LintFile, TableSize } from './lint.types.js';
import type { ParsedFile } from './parse-files.js';
import type { RuleContext } from './rule.js';
import type { SchemaMemory } from './schema-memory.js';

const OWNER_COLUMNS = ['owner_id', 'ownerId'];

/** From here on a scan under a lock is noticed: at 10,000 rows or 10 MB it takes some hundredths of a second. */
const LARGE = { rows: 10_000, bytes: 10 * 1024 * 1024 };

/** What is known while one file is judged; what changes from statement to statement is kept by whoever judges. */
export class FileContext implements RuleContext {
  readonly file: LintFile;
  readonly statementCount: number;
  readonly ownerColumns: readonly string[];
  readonly ownerIsDeclared: boolean;
  lockTimeoutIsSet: boolean;
  readonly newEnumValues = new Map<string, TableName>();

  constructor(
    { file, statements }: ParsedFile,
    readonly schema: SchemaMemory,
    private readonly pendingFiles: ReadonlySet<string>,
    private readonly known: LintContext,
  ) {
    this.file = file;
    this.statementCount = statements.length;
    this.ownerColumns = known.ownerColumns ?? OWNER_COLUMNS;
    this.ownerIsDeclared = known.ownerColumns !== undefined;
    this.lockTimeoutIsSet = known.lockTimeoutIsSet === true;
  }

  /** Takes note of one statement of the file. */
  learn(node: Node): void {
    if (!('AlterEnumStmt' in node)) return;
    const { newVal, oldVal, typeName } = node.AlterEnumStmt;
    // A value that is only renamed can be used at once.
    if (newVal === undefined || oldVal !== undefined) return;
    this.newEnumValues.set(newVal, objectName({ List: { items: typeName ?? [] } }));
  }

  isNew(table: TableName): boolean {
    const createdIn = this.schema.table(table)?.createdIn;
    if (createdIn === undefined) return false;
    // CREATE TABLE IF NOT EXISTS, and it does.
    if (this.file.isPending === true && this.sizeOf(table)) return false;
    if (createdIn === this.file.path) return true;
    return this.file.isPending === true && this.pendingFiles.has(createdIn);
  }

  mayHoldRows(table: TableName): boolean {
    if (this.isNew(table)) return this.schema.table(table)?.isFilled === true;
    return this.sizeOf(table)?.bytes !== 0;
  }

  isLarge(table: TableName): boolean {
    if (this.isNew(table)) return false;
    const size = this.sizeOf(table);
    return size === undefined || size.rows >= LARGE.rows || size.bytes >= LARGE.bytes;
  }

  sizeText(table: TableName): string {
    if (this.isNew(table)) return 'made and filled by these migrations';
    const size = this.sizeOf(table);
    if (size === undefined) return 'size not known, taken for large';
    return `about ${Math.round(size.rows).toLocaleString('en-US')} rows, ${inUnits(size.bytes)}`;
  }

  private sizeOf(table: TableName): TableSize | undefined {
    return this.known.sizes?.get(this.schema.key(table));
  }
}

function inUnits(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.round(bytes / 1024)} kB` : `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}
