import type { Node } from 'libpg-query';
import { escapeLiteral } from 'pg';
import { commandsOf, quoted, stringsOf, tableOf } from '../ast.js';
import type { Rule, RuleContext, Violation } from '../rule.js';
import { walk } from '../walk.js';

/**
 * A value that this very file adds to an enum and uses: PostgreSQL refuses it until the transaction that added it
 * has ended (55P04), and a file is one. A text may just look like the value, hence a warning where its type is unknown.
 */
export const enumValueInUse: Rule = {
  id: 'enum-value-in-use',
  on: [
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
  ],
  check: (statement, context) => {
    if (context.newEnumValues.size === 0) return [];
    const certain = usedAsEnum(statement.node, context);
    const violations: Violation[] = [];
    walk(statement.node, (node) => {
      const value = literalOf(node);
      const type = value === undefined ? undefined : context.newEnumValues.get(value);
      if (value === undefined || type === undefined || !('A_Const' in node)) return;
      const isCertain = certain.has(node);
      violations.push({
        severity: isCertain ? 'error' : 'warning',
        index: statement.indexOf(node.A_Const.location),
        message: `${escapeLiteral(value)} is added to ${quoted(type)} by this file${isCertain ? '' : ', and a text like it stands here'}: PostgreSQL lets nobody use a new value in the transaction that adds it, and Prisma sends the file as one.`,
        rewrite: `-- In a migration of its own, before this one\nALTER TYPE ${quoted(type)} ADD VALUE ${escapeLiteral(value)};`,
      });
    });
    return violations;
  },
};

/** The literals that are of such an enum for certain: cast to it, or meant for a column of that type. */
function usedAsEnum(statement: Node, context: RuleContext): ReadonlySet<Node> {
  const found = new Set<Node>();
  const take = (value: Node | undefined, type: string | undefined): void => {
    const literal = value === undefined ? undefined : literalOf(value);
    const added = literal === undefined ? undefined : context.newEnumValues.get(literal);
    if (value && added && added.name === type) found.add(value);
  };
  walk(statement, (node) => {
    if ('TypeCast' in node) take(node.TypeCast.arg, stringsOf(node.TypeCast.typeName?.names).at(-1));
  });
  const columnsOf = (relation: Parameters<typeof tableOf>[0]) =>
    context.schema.table(tableOf(relation))?.columns;
  if ('AlterTableStmt' in statement) {
    const columns = columnsOf(statement.AlterTableStmt.relation);
    for (const { subtype, name = '', def } of commandsOf(statement)) {
      if (subtype === 'AT_ColumnDefault') take(def, columns?.get(name)?.type.name);
    }
  }
  if ('UpdateStmt' in statement) {
    const columns = columnsOf(statement.UpdateStmt.relation);
    for (const target of statement.UpdateStmt.targetList ?? []) {
      if ('ResTarget' in target)
        take(target.ResTarget.val, columns?.get(target.ResTarget.name ?? '')?.type.name);
    }
  }
  return found;
}

function literalOf(node: Node): string | undefined {
  return 'A_Const' in node ? node.A_Const.sval?.sval : undefined;
}
