import type { AlterTableCmd, Node } from 'libpg-query';
import { escapeIdentifier } from 'pg';
import type { Statement } from '../../sql/statements.js';
import {
  addedConstraints,
  commandsOf,
  objectName,
  quoted,
  stringsOf,
  type TableName,
  tableOf,
} from '../../sql/syntax-tree.js';
import type { RuleContext, StatementRule, Violation } from '../rule.js';

/** Something that no longer protects the rows. */
interface Weakening extends Pick<Violation, 'severity'> {
  readonly message: string;
  /** Whether a later statement of the file restores it, or removes what it protected. */
  readonly isUndoneBy: (later: Node) => boolean;
}

export const weakenedProtection: StatementRule = {
  id: 'weakened-protection',
  severity: 'error',
  otherwise: 'a warning for a dropped trigger or foreign key',
  summary: 'Triggers, row security, a policy or a key switched off or dropped',
  details:
    'Triggers, rules or row security switched off; a policy, a trigger, a primary key or a foreign key dropped; `session_replication_role = replica`; a role with `SUPERUSER` or `BYPASSRLS`. Not if the file restores it, and not for a table that the same plan creates.',
  breaks: 'Rows are written or read that were not permitted before.',
  instead: 'Keep it; or waive the finding with what protects the rows instead.',
  on: [
    'DropStmt',
    'VariableSetStmt',
    'AlterRoleStmt',
    'CreateRoleStmt',
    'AT_DropConstraint',
    'AT_AlterConstraint',
    'AT_DisableTrig',
    'AT_DisableTrigAll',
    'AT_DisableTrigUser',
    'AT_EnableReplicaTrig',
    'AT_DisableRule',
    'AT_EnableReplicaRule',
    'AT_DisableRowSecurity',
    'AT_NoForceRowSecurity',
  ],
  check: (statement, context) =>
    weakenings(statement, context)
      .filter(({ isUndoneBy }) => !context.after(statement).some(({ node }) => isUndoneBy(node)))
      .map(({ message, severity = 'error' }): Violation => {
        const rewrite = '-- Keep it; or waive this with what protects the rows instead.';
        return { index: statement.index, severity, message, rewrite };
      }),
};

function weakenings({ node }: Statement, context: RuleContext): Weakening[] {
  if ('AlterTableStmt' in node) {
    const table = tableOf(node.AlterTableStmt.relation);
    if (context.isNew(table)) return [];
    return commandsOf(node).flatMap((command) => ofCommand(command, node, table, context));
  }
  if ('DropStmt' in node) return ofDrop(node, context);
  if ('VariableSetStmt' in node) {
    const { name, args = [], kind } = node.VariableSetStmt;
    const [value] = args;
    const isReplica = value && 'A_Const' in value && value.A_Const.sval?.sval === 'replica';
    if (name !== 'session_replication_role' || kind !== 'VAR_SET_VALUE' || !isReplica) return [];
    const message =
      'With session_replication_role = replica, no trigger fires and no foreign key is checked.';
    return [
      { message, isUndoneBy: (later) => 'VariableSetStmt' in later && later.VariableSetStmt.name === name },
    ];
  }
  const options = 'AlterRoleStmt' in node ? node.AlterRoleStmt.options : undefined;
  const made = 'CreateRoleStmt' in node ? node.CreateRoleStmt.options : undefined;
  const powers = (options ?? made ?? []).flatMap((option) =>
    'DefElem' in option &&
    /^(superuser|bypassrls)$/.test(option.DefElem.defname ?? '') &&
    isTrue(option.DefElem.arg)
      ? [(option.DefElem.defname ?? '').toUpperCase()]
      : [],
  );
  const message = `A role with ${powers.join(' and ')} bypasses every row security policy.`;
  return powers.length === 0 ? [] : [{ message, isUndoneBy: () => false }];
}

/** By command: what it switches off, and the commands that switch it on again. */
const SWITCHES: Readonly<Record<string, { off: string; on: RegExp }>> = {
  AT_DisableTrig: { off: 'trigger', on: /^AT_Enable(Always)?Trig(All|User)?$/ },
  AT_EnableReplicaTrig: { off: 'trigger', on: /^AT_Enable(Always)?Trig(All|User)?$/ },
  AT_DisableTrigUser: { off: 'every trigger', on: /^AT_EnableTrig(All|User)$/ },
  AT_DisableTrigAll: { off: 'every trigger and every foreign key', on: /^AT_EnableTrigAll$/ },
  AT_DisableRule: { off: 'rule', on: /^AT_Enable(Always)?Rule$/ },
  AT_EnableReplicaRule: { off: 'rule', on: /^AT_Enable(Always)?Rule$/ },
  AT_DisableRowSecurity: { off: 'row level security', on: /^AT_EnableRowSecurity$/ },
  AT_NoForceRowSecurity: { off: 'row level security for the owner', on: /^AT_ForceRowSecurity$/ },
};

function ofCommand(
  { subtype = 'AT_AddColumn', name, def }: AlterTableCmd,
  statement: Node,
  table: TableName,
  context: RuleContext,
): Weakening[] {
  const isDropped = (later: Node): boolean => drops(later, table);
  const sameTable = (later: Node): boolean =>
    'AlterTableStmt' in later &&
    context.schema.key(tableOf(later.AlterTableStmt.relation)) === context.schema.key(table);
  const off = SWITCHES[subtype];
  if (off) {
    const what = name === undefined ? off.off : `${off.off} ${escapeIdentifier(name)}`;
    return [
      {
        message: `After this statement, ${what} is switched off for ${quoted(table)}: rows are written or read that were not permitted before.`,
        isUndoneBy: (later) =>
          isDropped(later) ||
          (sameTable(later) &&
            commandsOf(later).some(
              (command) =>
                off.on.test(command.subtype ?? '') && (command.name === undefined || command.name === name),
            )),
      },
    ];
  }
  if (subtype === 'AT_AlterConstraint' && def && 'ATAlterConstraint' in def) {
    const { alterEnforceability, is_enforced: isEnforced, conname = '' } = def.ATAlterConstraint;
    if (alterEnforceability !== true || isEnforced === true) return [];
    const message = `Constraint ${escapeIdentifier(conname)} of ${quoted(table)} is no longer enforced: rows that violate it are accepted.`;
    return [{ message, isUndoneBy: isDropped }];
  }
  if (subtype !== 'AT_DropConstraint') return [];
  if (name !== primaryKeyOf(table, context)) return ofForeignKey(name ?? '', statement, table, context);
  const givesKey = (node: Node): boolean =>
    addedConstraints(node).some(({ contype }) => contype === 'CONSTR_PRIMARY');
  if (givesKey(statement)) return [];
  return [
    {
      message: `${quoted(table)} loses its primary key: duplicate rows are accepted, and logical replication of changes stops.`,
      isUndoneBy: (later) => isDropped(later) || (sameTable(later) && givesKey(later)),
    },
  ];
}

/** Finds a dropped foreign key whose column stays, and gets no other foreign key from the file. */
function ofForeignKey(name: string, statement: Node, table: TableName, context: RuleContext): Weakening[] {
  const known = context.schema.table(table)?.foreignKeys.get(name);
  // The migrations do not create the table: PostgreSQL and Prisma name foreign keys alike.
  if (!known && (context.schema.table(table)?.createdIn !== undefined || !name.endsWith('_fkey'))) return [];
  const { references } = known ?? {};
  const { names, columns } = renamedIn(context, table, known?.columns ?? []);
  const replaces = (node: Node): boolean => {
    if (drops(node, table) || (references !== undefined && drops(node, references))) return true;
    if (!('AlterTableStmt' in node) || !names.has(tableOf(node.AlterTableStmt.relation).name)) return false;
    return (
      commandsOf(node).some((one) => one.subtype === 'AT_DropColumn' && isAmong(one.name, columns)) ||
      addedConstraints(node).some(
        ({ contype, fk_attrs: keys }) =>
          contype === 'CONSTR_FOREIGN' && stringsOf(keys).some((one) => isAmong(one, columns)),
      )
    );
  };
  const isReplacedBefore = context.statements.some((one) => one.node !== statement && replaces(one.node));
  if (replaces(statement) || isReplacedBefore) return [];
  const to = references ? ` to ${quoted(references)}` : '';
  return [
    {
      severity: 'warning',
      message: `${quoted(table)} loses its foreign key ${escapeIdentifier(name)}${to}: rows that refer to no existing row are accepted.`,
      isUndoneBy: replaces,
    },
  ];
}

/** Returns the names that the file gives to a table and to some of its columns, one after the other. */
function renamedIn(
  { statements }: RuleContext,
  table: TableName,
  ofColumns: readonly string[],
): { names: ReadonlySet<string>; columns: ReadonlySet<string> } {
  const names = new Set([table.name]);
  const columns = new Set(ofColumns);
  for (const { node } of statements) {
    if (!('RenameStmt' in node) || !names.has(tableOf(node.RenameStmt.relation).name)) continue;
    const { renameType, subname = '', newname = '' } = node.RenameStmt;
    if (renameType === 'OBJECT_TABLE') names.add(newname);
    if (renameType === 'OBJECT_COLUMN' && columns.has(subname)) columns.add(newname);
  }
  return { names, columns };
}

/** Whether a column is among them; any column may be, if the columns of the foreign key are unknown. */
function isAmong(column: string | undefined, columns: ReadonlySet<string>): boolean {
  return columns.size === 0 || (column !== undefined && columns.has(column));
}

function primaryKeyOf(table: TableName, { schema }: RuleContext): string {
  return schema.table(table)?.primaryKey ?? `${table.name}_pkey`;
}

const LOSSES: Readonly<Record<string, string>> = {
  policy: 'rows are read or written that it did not permit',
  trigger: 'it no longer checks or writes rows',
};

const DROPPED: Readonly<Record<string, string>> = { OBJECT_POLICY: 'policy', OBJECT_TRIGGER: 'trigger' };

function ofDrop(node: Extract<Node, { DropStmt: unknown }>, context: RuleContext): Weakening[] {
  const what = DROPPED[node.DropStmt.removeType ?? ''];
  if (what === undefined) return [];
  return (node.DropStmt.objects ?? []).flatMap((object): Weakening[] => {
    // schema (where it is written), table, name
    const parts = 'List' in object ? stringsOf(object.List.items) : [];
    const table: TableName = { schema: parts.at(-3), name: parts.at(-2) ?? '' };
    const name = parts.at(-1) ?? '';
    if (context.isNew(table)) return [];
    return [
      {
        ...(what === 'trigger' && { severity: 'warning' }),
        message: `DROP ${what.toUpperCase()} removes ${what} ${escapeIdentifier(name)} of ${quoted(table)}: ${LOSSES[what] ?? ''}.`,
        isUndoneBy: (later) => drops(later, table) || makes(later, table, what),
      },
    ];
  });
}

/** Whether a statement creates a policy or a trigger of the table. */
function makes(node: Node, table: TableName, what: string): boolean {
  if (what === 'policy' && 'CreatePolicyStmt' in node)
    return node.CreatePolicyStmt.table?.relname === table.name;
  return (
    what === 'trigger' && 'CreateTrigStmt' in node && node.CreateTrigStmt.relation?.relname === table.name
  );
}

function drops(node: Node, table: TableName): boolean {
  if (!('DropStmt' in node) || node.DropStmt.removeType !== 'OBJECT_TABLE') return false;
  return (node.DropStmt.objects ?? []).some((object) => objectName(object).name === table.name);
}

function isTrue(node: Node | undefined): boolean {
  return node !== undefined && 'Boolean' in node && node.Boolean.boolval === true;
}
