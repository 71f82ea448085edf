import type {
  AlterTableCmd,
  ColumnDef,
  Constraint,
  CreateStmt,
  IndexStmt,
  Node,
  RangeVar,
} from 'libpg-query';
import {
  commandsOf,
  constraintsOf,
  notNullColumn,
  objectName,
  stringsOf,
  tableOf,
  type TableName,
} from './ast.js';
import { columnType, type ColumnType } from './type-name.js';

interface KnownColumn {
  readonly type: ColumnType;
  readonly createdIn: string;
  isRequired: boolean;
}

interface KnownCheck {
  /** The column of a `CHECK (column IS NOT NULL)`. */
  readonly notNullColumn: string | undefined;
  isValidated: boolean;
}

/** A table as the migrations so far have made it. */
export interface KnownTable {
  /** Undefined where the migrations change it, and none of them makes it. */
  readonly createdIn: string | undefined;
  readonly isPartitioned: boolean;
  /** Whether the migrations put rows into it. */
  isFilled: boolean;
  /** The last file that removed every row, where none put any in since. */
  emptiedIn?: string | undefined;
  /** The name of its primary key; undefined where it is PostgreSQL's default, or not known. */
  primaryKey?: string | undefined;
  readonly columns: Map<string, KnownColumn>;
  readonly checks: Map<string, KnownCheck>;
}

/** Remembers what the statements so far did to the tables: which exist, since when, with which columns and checks. */
export class SchemaMemory {
  private readonly tables = new Map<string, KnownTable>();
  /** By index, its table. */
  private readonly indexes = new Map<string, TableName>();

  constructor(private readonly defaultSchema: string) {}

  /** `schema.table`, unquoted. */
  key({ schema, name }: TableName): string {
    return `${schema ?? this.defaultSchema}.${name}`;
  }

  table(name: TableName): KnownTable | undefined {
    return this.tables.get(this.key(name));
  }

  /** The table of an index that the migrations made. */
  tableOfIndex(name: TableName): TableName | undefined {
    return this.indexes.get(this.key(name));
  }

  all(): Iterable<KnownTable> {
    return this.tables.values();
  }

  /** Takes note of one statement of one file. */
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
    else if ('IndexStmt' in node) this.index(node.IndexStmt);
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
    { isFilled = false, isPartitioned = false },
  ): KnownTable {
    const table = { ...newTable(file), isFilled, isPartitioned };
    this.tables.set(this.key(tableOf(relation)), table);
    return table;
  }

  private index({ idxname, relation }: IndexStmt): void {
    if (idxname === undefined) return;
    const table = tableOf(relation);
    this.indexes.set(this.key({ schema: table.schema, name: idxname }), table);
  }

  private create(
    { relation, tableElts, partspec, if_not_exists: isConditional }: CreateStmt,
    file: string,
  ): void {
    if (isConditional && this.table(tableOf(relation))) return;
    const table = this.add(relation, file, { isPartitioned: partspec !== undefined });
    for (const element of tableElts ?? []) {
      if ('ColumnDef' in element) addColumn(table, element.ColumnDef, file);
      if ('Constraint' in element) addConstraint(table, element.Constraint);
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

  /** What is added to a table that none of the migrations makes is new all the same. */
  private alter(node: Node, relation: RangeVar | undefined, file: string): void {
    const key = this.key(tableOf(relation));
    const table = this.tables.get(key) ?? newTable(undefined);
    this.tables.set(key, table);
    for (const command of commandsOf(node)) alterTable(table, command, file);
  }

  private rename(node: Extract<Node, { RenameStmt: unknown }>): void {
    const { renameType, relation, subname = '', newname = '' } = node.RenameStmt;
    const name = tableOf(relation);
    const table = this.table(name);
    if (!table) return;
    if (renameType === 'OBJECT_TABLE') {
      this.tables.delete(this.key(name));
      this.tables.set(this.key({ ...name, name: newname }), table);
    } else if (renameType === 'OBJECT_COLUMN') move(table.columns, subname, newname);
    else if (renameType === 'OBJECT_TABCONSTRAINT') move(table.checks, subname, newname);
  }
}

function newTable(createdIn: string | undefined): KnownTable {
  return { createdIn, isFilled: false, isPartitioned: false, columns: new Map(), checks: new Map() };
}

function alterTable(table: KnownTable, { subtype, name = '', def }: AlterTableCmd, file: string): void {
  const column = table.columns.get(name);
  if (subtype === 'AT_AddColumn' && def && 'ColumnDef' in def) addColumn(table, def.ColumnDef, file);
  else if (subtype === 'AT_DropColumn') table.columns.delete(name);
  else if (subtype === 'AT_SetNotNull' && column) column.isRequired = true;
  else if (subtype === 'AT_DropNotNull' && column) column.isRequired = false;
  else if (subtype === 'AT_AlterColumnType' && column && def && 'ColumnDef' in def) {
    table.columns.set(name, { ...column, type: columnType(def.ColumnDef.typeName) });
  } else if (subtype === 'AT_AddConstraint' && def && 'Constraint' in def)
    addConstraint(table, def.Constraint);
  else if (subtype === 'AT_DropConstraint') table.checks.delete(name);
  else if (subtype === 'AT_ValidateConstraint') {
    const check = table.checks.get(name);
    if (check) check.isValidated = true;
  }
}

function addColumn(
  table: KnownTable,
  { colname = '', typeName, constraints }: ColumnDef,
  file: string,
): void {
  const kinds = new Set(constraintsOf(constraints).map(({ contype }) => contype));
  const isRequired =
    kinds.has('CONSTR_NOTNULL') || kinds.has('CONSTR_PRIMARY') || kinds.has('CONSTR_IDENTITY');
  table.columns.set(colname, { type: columnType(typeName), isRequired, createdIn: file });
}

function addConstraint(table: KnownTable, constraint: Constraint): void {
  if (constraint.contype === 'CONSTR_PRIMARY') {
    table.primaryKey = constraint.conname;
    for (const key of stringsOf(constraint.keys)) {
      const column = table.columns.get(key);
      if (column) column.isRequired = true;
    }
  } else if (constraint.contype === 'CONSTR_CHECK' || constraint.contype === 'CONSTR_NOTNULL') {
    // PostgreSQL 18 has NOT NULL as a constraint with a name, and with NOT VALID.
    const column =
      constraint.contype === 'CONSTR_NOTNULL'
        ? stringsOf(constraint.keys)[0]
        : notNullColumn(constraint.raw_expr);
    table.checks.set(constraint.conname ?? `${column ?? ''} check`, {
      notNullColumn: column,
      isValidated: constraint.skip_validation !== true,
    });
  }
}

function move<Value>(map: Map<string, Value>, from: string, to: string): void {
  const value = map.get(from);
  if (value === undefined) return;
  map.delete(from);
  map.set(to, value);
}
