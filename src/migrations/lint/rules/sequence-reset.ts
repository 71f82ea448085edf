import type { Node } from 'libpg-query';
import { commandsOf, lastName, quoted, type TableName, tableOf, walk } from '../../sql/syntax-tree.js';
import type { RuleContext, StatementRule } from '../rule.js';

export const sequenceReset: StatementRule = {
  id: 'sequence-reset',
  severity: 'warning',
  summary: 'A sequence set to a fixed number',
  details: '`ALTER SEQUENCE … RESTART`, `RESTART` of an identity column, `setval` with a number.',
  breaks:
    'If rows have the next numbers, inserts fail as duplicates. If such rows were deleted, their numbers are used again for other rows.',
  instead: 'Set it from the existing rows: `setval(…, (SELECT coalesce(max("id"), 0) + 1 FROM …), false)`.',
  on: ['AlterSeqStmt', 'AT_SetIdentity', 'SelectStmt'],
  check: ({ node, index }, context) => {
    const subject = resetSubject(node, context);
    if (subject === undefined) return [];
    return [
      {
        index,
        message: `${subject} restarts at a fixed number. If rows have the next numbers, inserts fail as duplicates; if such rows were deleted, their numbers are used again for other rows.`,
        rewrite: `SELECT setval(…, (SELECT coalesce(max("id"), 0) + 1 FROM …), false); -- from the existing rows`,
      },
    ];
  },
};

function resetSubject(node: Node, context: RuleContext): string | undefined {
  if ('AlterSeqStmt' in node) {
    const sequence = tableOf(node.AlterSeqStmt.sequence);
    return hasRestart(node.AlterSeqStmt.options) && !isNewSequence(sequence, context)
      ? `Sequence ${quoted(sequence)}`
      : undefined;
  }
  if ('AlterTableStmt' in node) {
    const table = tableOf(node.AlterTableStmt.relation);
    const isReset = commandsOf(node).some(
      ({ subtype, def }) =>
        subtype === 'AT_SetIdentity' && def && 'List' in def && hasRestart(def.List.items),
    );
    return isReset && !context.isNew(table) ? `The identity of ${quoted(table)}` : undefined;
  }
  let isFixed = false;
  walk(node, (inner) => {
    if (!('FuncCall' in inner) || lastName(inner.FuncCall.funcname) !== 'setval') return;
    const [sequence, value] = inner.FuncCall.args ?? [];
    const literal = sequence && 'A_Const' in sequence ? (sequence.A_Const.sval?.sval ?? '') : '';
    const name = literal.replaceAll('"', '').split('.').at(-1) ?? '';
    const isNew = name !== '' && isNewSequence({ schema: undefined, name }, context);
    if (value && 'A_Const' in value && !isNew) isFixed = true;
  });
  return isFixed ? 'A sequence' : undefined;
}

/** Whether these migrations create the sequence, by itself or with a column of a new table. */
function isNewSequence(sequence: TableName, context: RuleContext): boolean {
  if (context.isNew(sequence)) return true;
  const owner = /^(.+)_[^_]+_seq$/.exec(sequence.name)?.[1];
  return owner !== undefined && context.isNew({ schema: sequence.schema, name: owner });
}

function hasRestart(options: readonly Node[] | undefined): boolean {
  return (options ?? []).some((option) => 'DefElem' in option && option.DefElem.defname === 'restart');
}
