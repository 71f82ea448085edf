import type {
  AlterTableCmd,
  ColumnDef,
  Constraint,
  CreateStmt,
  IndexStmt,
  Node,
  PartitionSpec,
  RangeVar,
} from 'libpg-query';
import {
  columnOf,
  commandsOf,
  constraintsOf,
  notNullColumn,
  objectName,
  stringsOf,
  type TableName,
  tableOf,
  walk,
} from '../sql/syntax-tree.js';
import { columnType, type ColumnType } from './columns.js';

interface KnownColumn {
  readonly type: ColumnType;
  readonly createdIn: string;
  isRequired: boolean;
}

export interface KnownCheck {
  /** The column of a `CHECK (column IS NOT NULL)`. */
  readonly notNullColumn: string | undefined;
  /** The columns of its condition. */
  readonly columns: readonly string[];
  isValidated: boolean;
}

/** An index that the migrations create. */
interface KnownIndex {
  readonly table: TableName;
  /** The columns of its key, expressions left out. */
  readonly columns: readonly string[];
}

/** A foreign key that the migrations create. */
interface KnownForeignKey {
  readonly columns: readonly string[];
  readonly references: TableName;
}

/** A table as the migrations so far have left it. */
export interface KnownTable {
  /** Undefined if the migrations change the table, but do not create it. */
  readonly createdIn: string | undefined;
  readonly isPartitioned: boolean;
  /** The columns by which it is partitioned, expressions left out. */
  readonly partitionColumns: readonly string[];
  /** Whether the migrations insert rows. */
  isFilled: boolean;
  /** The last file that removed every row, if no later one inserts any. */
  emptiedIn?: string | undefined;
  /** The name of its primary key; undefined if it is PostgreSQL's default, or unknown. */
  primaryKey?: string | undefined;
  readonly columns: Map<string, KnownColumn>;
  readonly checks: Map<string, KnownCheck>;
  readonly foreignKeys: Map<string, KnownForeignKey>;
}

/** Knows what the statements so far did to tables: which exist, since which file, with which columns and checks. */
export class SchemaMemory {
  private readonly tables = new Map<string, KnownTable>();
  private readonly indexes = new Map<string, KnownIndex>();
  /** The domains with constraints. */
  private readonly checkedDomains = new Set<string>();

  constructor(private readonly defaultSchema: string) {}

  /** Returns `schema.table`, unquoted. */
  key({ schema, name }: TableName): string {
    return `${schema ?? this.defaultSchema}.${name}`;
  }

  table(name: TableName): KnownTable | undefined {
    return this.tables.get(this.key(name));
  }

  index(name: TableName): KnownIndex | undefined {
    return this.indexes.get(this.key(name));
  }

  /** Returns whether the migrations create a domain of that name with a CHECK or NOT NULL. */
  isCheckedDomain(name: TableName): boolean {
    return this.checkedDomains.has(this.key(name));
  }

  all(): Iterable<KnownTable> {
    return this.tables.values();
  }

  /** Records what one statement of a file does. */
  learn(node: Node, file: string): void {
    if ('CreateStmt' in node) this.create(node.CreateStmt, file);
    else if ('CreateTableAsStmt' in node)
      this.add(node.CreateTableAsStmt.into?.rel, file, { isFilled: true });
    else if ('SelectStmt' in node && node.SelectStmt.intoClause)
      this.add(node.SelectStmt.intoClause.rel, file, { isFilled: true });
    else if ('InsertStmt' in node) this.fill(node.InsertStmt.relation);
    else if ('CopyStmt' in node && node.CopyStmt.is_from) this.fill(node.CopyStmt.relation);
    else if ('AlterTableStmt' in node) this.alter(node, node.AlterTableStmt.relation, file);
    else if ('CreateSeqStmt' in node) this.add(node.CreateSeqStmt.sequence, file, {});
    else if ('ViewStmt' in node) this.add(node.ViewStmt.view, file, { isFilled: true });
    else if ('IndexStmt' in node) this.addIndex(node.IndexStmt);
    else if ('CreateDomainStmt' in node || 'AlterDomainStmt' in node) this.learnDomain(node);
    else if ('TruncateStmt' in node) this.empty(node.TruncateStmt.relations, file);
    else if ('DeleteStmt' in node && !node.DeleteStmt.whereClause && !node.DeleteStmt.usingClause)
      this.empty(node.DeleteStmt.relation && [{ RangeVar: node.DeleteStmt.relation }], file);
    else if ('DropStmt' in node && node.DropStmt.removeType === 'OBJECT_TABLE') {
      for (const object of node.DropStmt.objects ?? []) this.tables.delete(this.key(objectName(object)));
    } else if ('RenameStmt' in node) this.rename(node);
  }

  private add(
    relation: RangeVar | undefined,
    file: string,
    { isFilled = false, partitionedBy }: { isFilled?: boolean; partitionedBy?: PartitionSpec | undefined },
  ): KnownTable {
    const partitionColumns = (partitionedBy?.partParams ?? []).flatMap((part) =>
      'PartitionElem' in part ? (part.PartitionElem.name ?? []) : [],
    );
    const isPartitioned = partitionedBy !== undefined;
    const table = { ...newTable(file), isFilled, isPartitioned, partitionColumns };
    this.tables.set(this.key(tableOf(relation)), table);
    return table;
  }

  private addIndex({ idxname, relation, indexParams = [] }: IndexStmt): void {
    if (idxname === undefined) return;
    const table = tableOf(relation);
    const columns = indexParams.flatMap((part) =>
      'IndexElem' in part && part.IndexElem.name !== undefined ? [part.IndexElem.name] : [],
    );
    this.indexes.set(this.key({ schema: table.schema, name: idxname }), { table, columns });
  }

  /** Records a domain with constraints. Dropping one does not undo that: it may not be the only one. */
  private learnDomain(
    node: Extract<Node, { CreateDomainStmt: unknown } | { AlterDomainStmt: unknown }>,
  ): void {
    const isCreated = 'CreateDomainStmt' in node;
    const isChecked = isCreated
      ? constraintsOf(node.CreateDomainStmt.constraints).some(({ contype = '' }) => REFUSES.test(contype))
      : /^[CO]$/.test(node.AlterDomainStmt.subtype ?? '');
    const name = isCreated ? node.CreateDomainStmt.domainname : node.AlterDomainStmt.typeName;
    if (isChecked) this.checkedDomains.add(this.key(objectName({ List: { items: name ?? [] } })));
  }

  private create(
    { relation, tableElts, partspec, if_not_exists: isConditional }: CreateStmt,
    file: string,
  ): void {
    if (isConditional && this.table(tableOf(relation))) return;
    const table = this.add(relation, file, { partitionedBy: partspec });
    for (const element of tableElts ?? []) {
      const { relname = '' } = relation ?? {};
      if ('ColumnDef' in element) addColumn(table, relname, element.ColumnDef, file);
      if ('Constraint' in element) addConstraint(table, relname, element.Constraint);
    }
  }

  private fill(relation: RangeVar | undefined): void {
    const table = this.table(tableOf(relation));
    if (table) Object.assign(table, { isFilled: true, emptiedIn: undefined });
  }

  private empty(relations: readonly Node[] | undefined, file: string): void {
    for (const relation of relations ?? []) {
      const table = 'RangeVar' in relation ? this.table(tableOf(relation.RangeVar)) : undefined;
      if (table) Object.assign(table, { isFilled: false, emptiedIn: file });
    }
  }

  /** Records ALTER TABLE. What is added is new, even if the migrations do not create the table. */
  private alter(node: Node, relation: RangeVar | undefined, file: string): void {
    const key = this.key(tableOf(relation));
    const table = this.tables.get(key) ?? newTable(undefined);
    this.tables.set(key, table);
    for (const command of commandsOf(node)) alterTable(table, relation?.relname ?? '', command, file);
  }

  private rename(node: Extract<Node, { RenameStmt: unknown }>): void {
    const { renameType, relation, subname = '', newname = '' } = node.RenameStmt;
    const name = tableOf(relation);
    const table = this.table(name);
    if (!table) return;
    if (renameType === 'OBJECT_TABLE') {
      this.tables.delete(this.key(name));
      this.tables.set(this.key({ ...name, name: newname }), table);
    } else if (renameType === 'OBJECT_COLUMN') renameColumn(table, subname, newname);
    else if (renameType === 'OBJECT_TABCONSTRAINT') {
      move(table.checks, subname, newname);
      move(table.foreignKeys, subname, newname);
    }
  }
}

/** The constraints of a domain that refuse values. */
const REFUSES = /^CONSTR_(CHECK|NOTNULL)$/;

function newTable(createdIn: string | undefined): KnownTable {
  return {
    createdIn,
    isFilled: false,
    isPartitioned: false,
    partitionColumns: [],
    columns: new Map(),
    checks: new Map(),
    foreignKeys: new Map(),
  };
}

function alterTable(
  table: KnownTable,
  tableName: string,
  { subtype, name = '', def }: AlterTableCmd,
  file: string,
): void {
  const column = table.columns.get(name);
  if (subtype === 'AT_AddColumn' && def && 'ColumnDef' in def)
    addColumn(table, tableName, def.ColumnDef, file);
  else if (subtype === 'AT_DropColumn') dropColumn(table, name);
  else if (subtype === 'AT_SetNotNull' && column) column.isRequired = true;
  else if (subtype === 'AT_DropNotNull' && column) column.isRequired = false;
  else if (subtype === 'AT_AlterColumnType' && column && def && 'ColumnDef' in def) {
    table.columns.set(name, { ...column, type: columnType(def.ColumnDef.typeName) });
  } else if (subtype === 'AT_AddConstraint' && def && 'Constraint' in def)
    addConstraint(table, tableName, def.Constraint);
  else if (subtype === 'AT_DropConstraint') {
    table.checks.delete(name);
    table.foreignKeys.delete(name);
  } else if (subtype === 'AT_ValidateConstraint') {
    const check = table.checks.get(name);
    if (check) check.isValidated = true;
  }
}

/** Removes a column, and the constraints that include it. */
function dropColumn(table: KnownTable, name: string): void {
  table.columns.delete(name);
  for (const map of [table.checks, table.foreignKeys]) {
    for (const [key, { columns }] of map) if (columns.includes(name)) map.delete(key);
  }
}

function renameColumn(table: KnownTable, from: string, to: string): void {
  move(table.columns, from, to);
  const renamed = (columns: readonly string[]): string[] =>
    columns.map((column) => (column === from ? to : column));
  for (const [key, check] of table.checks) {
    const notNull = check.notNullColumn === from ? to : check.notNullColumn;
    table.checks.set(key, { ...check, notNullColumn: notNull, columns: renamed(check.columns) });
  }
  for (const [key, foreignKey] of table.foreignKeys) {
    table.foreignKeys.set(key, { ...foreignKey, columns: renamed(foreignKey.columns) });
  }
}

function addColumn(
  table: KnownTable,
  tableName: string,
  { colname = '', typeName, constraints }: ColumnDef,
  file: string,
): void {
  const kinds = new Set(constraintsOf(constraints).map(({ contype }) => contype));
  const isRequired =
    kinds.has('CONSTR_NOTNULL') || kinds.has('CONSTR_PRIMARY') || kinds.has('CONSTR_IDENTITY');
  table.columns.set(colname, { type: columnType(typeName), isRequired, createdIn: file });
  for (const constraint of constraintsOf(constraints)) {
    if (constraint.contype === 'CONSTR_CHECK' || constraint.contype === 'CONSTR_FOREIGN')
      addConstraint(table, tableName, constraint, colname);
  }
}

/** @param ofColumn the column whose definition the constraint is part of */
function addConstraint(
  table: KnownTable,
  tableName: string,
  constraint: Constraint,
  ofColumn?: string,
): void {
  const { contype, conname, keys, raw_expr: condition } = constraint;
  if (contype === 'CONSTR_PRIMARY') {
    table.primaryKey = conname;
    for (const key of stringsOf(keys)) {
      const column = table.columns.get(key);
      if (column) column.isRequired = true;
    }
  } else if (contype === 'CONSTR_CHECK' || contype === 'CONSTR_NOTNULL') {
    // PostgreSQL 18 has NOT NULL as a constraint with a name, and with NOT VALID.
    const column = contype === 'CONSTR_NOTNULL' ? stringsOf(keys)[0] : notNullColumn(condition);
    const columns = contype === 'CONSTR_NOTNULL' ? [] : columnsIn(condition);
    const defaultName = ofColumn === undefined ? `${column ?? ''} check` : `${tableName}_${ofColumn}_check`;
    const isValidated = constraint.skip_validation !== true;
    table.checks.set(conname ?? defaultName, { notNullColumn: column, columns, isValidated });
  } else if (contype === 'CONSTR_FOREIGN') {
    const columns = ofColumn === undefined ? stringsOf(constraint.fk_attrs) : [ofColumn];
    const name = conname ?? `${tableName}_${columns.join('_')}_fkey`;
    table.foreignKeys.set(name, { columns, references: tableOf(constraint.pktable) });
  }
}

function columnsIn(condition: Node | undefined): string[] {
  const columns: string[] = [];
  walk(condition, (node) => {
    const column = columnOf(node);
    if (column !== undefined) columns.push(column);
  });
  return columns;
}

function move<Value>(map: Map<string, Value>, from: string, to: string): void {
  const value = map.get(from);
  if (value === undefined) return;
  map.delete(from);
  map.set(to, value);
}
