import type { Node, RangeVar } from 'libpg-query';
import { escapeLiteral } from 'pg';
import type { Statement } from '../../sql/statements.js';
import { columnOf, commandsOf, quoted, stringsOf, tableOf, walk } from '../../sql/syntax-tree.js';
import { ENGINE_NAMES } from '../engine.js';
import type { RuleContext, StatementKind, StatementRule, Violation } from '../rule.js';

/** The statements that can use a value of an enum when they run. */
const USERS: readonly StatementKind[] = [
  'AlterTableStmt',
  'CreateStmt',
  'IndexStmt',
  'ViewStmt',
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
  'SelectStmt',
  'CreateTableAsStmt',
];

export const enumValueInUse: StatementRule = {
  id: 'enum-value-in-use',
  severity: 'warning',
  otherwise: 'an error if the migration fails',
  summary: 'A new value of an enum, used by the file that adds it',
  details:
    'Only for an enum that the file does not create. If the type of a text is unknown, the finding stays a warning. What happens depends on [the program that applies the file](#which-program-applies-the-file).',
  breaks:
    'PostgreSQL refuses the value until the transaction that adds it is committed (`55P04`). If the file is sent as one transaction, the migration fails. Otherwise its statements are applied one by one, and if one of them fails, those before it stay applied.',
  instead: 'Add the value in a separate migration before this one.',
  stopsMigration: true,
  oncePerFile: true,
  on: USERS,
  check: (statement, context) => {
    if (context.newEnumValues.size === 0) return [];
    const certain = usedAsEnum(statement.node, context);
    const violations: Violation[] = [];
    walk(statement.node, (node) => {
      const value = literalOf(node);
      const added = value === undefined ? undefined : context.newEnumValues.get(value);
      if (value === undefined || added === undefined || !('A_Const' in node)) return;
      const isCertain = certain.has(node);
      const fails = context.shareTransaction(statement, added.addedBy);
      // A text that may not be the value at all is reported only if the migration would fail.
      if (!fails && !(isCertain && context.engine === 'pgkeep')) return;
      const enumName = quoted(added.type);
      violations.push({
        ...(fails && isCertain && { severity: 'error' }),
        index: statement.indexOf(node.A_Const.location),
        message: `${escapeLiteral(value)} is added to ${enumName} by this file${isCertain ? '' : ', and this text may be that value'}: ${fails ? failure(context) : split(context)}`,
        rewrite: `-- In a separate migration, before this one\nALTER TYPE ${enumName} ADD VALUE ${escapeLiteral(value)};`,
      });
    });
    return violations.slice(0, 1);
  },
};

function failure({ engine, statements }: RuleContext): string {
  const isBlock = statements.some(({ node }) => 'TransactionStmt' in node);
  const how = isBlock
    ? 'both statements are in one transaction'
    : `${ENGINE_NAMES[engine]} sends the file as one transaction`;
  return `PostgreSQL refuses a new value in the transaction that adds it, and ${how}. The migration fails.`;
}

function split({ engine, statements }: RuleContext): string {
  return (
    `PostgreSQL accepts a new value only after a COMMIT, so ${ENGINE_NAMES[engine]} applies the ` +
    `${statements.length} statements of this file one by one. If one of them fails, those before it stay applied.`
  );
}

/** Whether statements add a value to an existing enum, and a later one contains a text that may be the value. */
export function addsAndUsesEnumValue(statements: readonly Statement[]): boolean {
  const added = new Set<string>();
  const made = new Set<string>();
  return statements.some(({ node }) => {
    if ('CreateEnumStmt' in node) made.add(stringsOf(node.CreateEnumStmt.typeName).at(-1) ?? '');
    if ('AlterEnumStmt' in node) {
      const { newVal, oldVal, typeName } = node.AlterEnumStmt;
      const isNewType = made.has(stringsOf(typeName).at(-1) ?? '');
      if (newVal !== undefined && oldVal === undefined && !isNewType) added.add(newVal);
      return false;
    }
    if (added.size === 0 || !USERS.some((kind) => kind in node)) return false;
    let uses = false;
    walk(node, (inner) => {
      uses ||= added.has(literalOf(inner) ?? '');
    });
    return uses;
  });
}

/** Returns the literals that certainly are of such an enum: cast to it, or written to a column of that type. */
function usedAsEnum(statement: Node, context: RuleContext): ReadonlySet<Node> {
  const found = new Set<Node>();
  const take = (value: Node | undefined, type: string | undefined): void => {
    const literal = value === undefined ? undefined : literalOf(value);
    const added = literal === undefined ? undefined : context.newEnumValues.get(literal);
    if (value && added && added.type.name === type) found.add(value);
  };
  const typesOf = (relation: RangeVar | undefined) => context.schema.table(tableOf(relation))?.columns;
  const tables: (RangeVar | undefined)[] = [];
  walk(statement, (node) => {
    if ('RangeVar' in node) tables.push(node.RangeVar);
    if ('UpdateStmt' in node) tables.push(node.UpdateStmt.relation);
    if ('DeleteStmt' in node) tables.push(node.DeleteStmt.relation);
  });
  walk(statement, (node) => {
    if ('TypeCast' in node) take(node.TypeCast.arg, stringsOf(node.TypeCast.typeName?.names).at(-1));
    if ('A_Expr' in node) {
      const column = columnOf(node.A_Expr.lexpr) ?? '';
      const table = tables.find((relation) => typesOf(relation)?.has(column));
      take(node.A_Expr.rexpr, typesOf(table)?.get(column)?.type.name);
    }
    if ('ColumnDef' in node) {
      const type = stringsOf(node.ColumnDef.typeName?.names).at(-1);
      for (const constraint of node.ColumnDef.constraints ?? []) {
        if ('Constraint' in constraint) take(constraint.Constraint.raw_expr, type);
      }
    }
  });
  if ('AlterTableStmt' in statement) {
    const columns = typesOf(statement.AlterTableStmt.relation);
    for (const { subtype, name = '', def } of commandsOf(statement)) {
      if (subtype === 'AT_ColumnDefault') take(def, columns?.get(name)?.type.name);
    }
  }
  for (const { column, value, relation } of written(statement)) {
    take(value, typesOf(relation)?.get(column)?.type.name);
  }
  return found;
}

interface WrittenValue {
  readonly column: string;
  readonly value: Node | undefined;
  readonly relation: RangeVar | undefined;
}

/** Returns what an UPDATE or an INSERT writes, by column. */
function written(statement: Node): WrittenValue[] {
  if ('UpdateStmt' in statement) {
    const { targetList, relation } = statement.UpdateStmt;
    return targets(targetList).map(({ name = '', val }) => ({ column: name, value: val, relation }));
  }
  if (!('InsertStmt' in statement)) return [];
  const { cols, relation, selectStmt } = statement.InsertStmt;
  const columns = targets(cols).map(({ name = '' }) => name);
  const select = selectStmt && 'SelectStmt' in selectStmt ? selectStmt.SelectStmt : undefined;
  const rows = [
    ...(select?.valuesLists ?? []).map((list) => ('List' in list ? (list.List.items ?? []) : [])),
    targets(select?.targetList).flatMap(({ val }) => (val ? [val] : [])),
  ];
  return rows.flatMap((row) => columns.map((column, place) => ({ column, value: row[place], relation })));
}

function targets(nodes: readonly Node[] | undefined) {
  return (nodes ?? []).flatMap((node) => ('ResTarget' in node ? [node.ResTarget] : []));
}

function literalOf(node: Node): string | undefined {
  return 'A_Const' in node ? node.A_Const.sval?.sval : undefined;
}
