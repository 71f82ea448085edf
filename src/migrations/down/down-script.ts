import type { ParsedFile } from '../sql/parse-files.js';
import { commandsOf, constraintsOf, tableOf } from '../sql/syntax-tree.js';
import { type Loss, lossesOf } from './losses.js';
import { notReversed, undoOf } from './ignored-statements.js';

/** The text of a script that undoes a migration, and what to report about it. */
export interface DownScript {
  readonly text: string;
  /** How many statements it has: none where the comparison shows no difference. */
  readonly statements: number;
  /** The names of what it deletes from the database. */
  readonly loses: readonly string[];
  /** The names of what the migration deleted and this script does not restore. */
  readonly lostBefore: readonly string[];
  /** Required columns without a default that it adds: this fails where their table has rows. */
  readonly failing: readonly string[];
  /** Statements of the migration that it does not undo. */
  readonly notReversed: readonly string[];
}

/** The body where the comparison shows nothing. */
const NOTHING = [
  '-- Prisma sees no difference between the schema with the migration and without it: write here what undoes it.',
  '-- If there is nothing to undo: SELECT 1;',
];

const PARTS: Readonly<Record<Loss['kind'], string>> = {
  table: 'the table, and its rows',
  schema: 'the schema, and everything in it',
  rows: 'rows',
  column: 'the column, and its values',
  values: 'values that are overwritten',
  conversion: 'values that are converted to another type',
};

/** The SQL of a `down.sql`, and which statements of the migration it does not undo. */
export interface DownBody {
  readonly sql: string;
  /** One line for each, for people. */
  readonly left: readonly string[];
}

/**
 * Combines the SQL of Prisma's comparison with statements that undo what the comparison does not see.
 * @param up the migration
 * @param reverse the SQL of Prisma's comparison
 */
export function downBody(up: ParsedFile, reverse: ParsedFile, schema: string): DownBody {
  const first: string[] = [];
  const last: string[] = [];
  const left: string[] = [];
  for (const { statement, why } of notReversed(up, schema)) {
    const { line } = up.source.position(statement.index);
    const undone = undoOf(statement, schema);
    if (!undone) left.push(`line ${line}: ${beginning(statement.sql)} (${why})`);
    // In reverse order: later objects may depend on earlier ones.
    for (const { sql, isFirst } of undone ?? []) {
      (isFirst ? first : last).unshift(`-- Undoes line ${line} of migration.sql\n${sql}`);
    }
  }
  return { sql: [...first, withoutTransactions(reverse), ...last].filter(Boolean).join('\n\n'), left };
}

/** Writes the script, with a header that says what it does and what is lost. @param down its SQL, parsed */
export function downScript(
  name: string,
  up: ParsedFile,
  { down, left }: { down: ParsedFile; left: readonly string[] },
  schema: string,
): DownScript {
  const loses = lossesOf(down, schema).map(lossText);
  const lostBefore = lossesOf(up, schema).map(lossText);
  const failing = requiredColumns(down, schema);
  const body = down.source.text;
  const head = [
    `-- Undoes ${name}. Written by pgkeep from the difference that the migration makes to the schema:`,
    '-- review it, and commit it beside migration.sql. `pgkeep migrate rollback` runs it in one transaction.',
    ...listed('It deletes:', loses, 'It deletes no row and no value.'),
    ...listed(
      'It fails where the table has rows, because a required column needs a default (or three steps):',
      failing,
    ),
    ...listed('Deleted by the migration, and not restored by this script:', lostBefore),
    ...listed('Not undone by this script; write it by hand, or leave it:', left),
  ];
  return {
    text: `${[...head, ...(body === '' ? NOTHING : ['', body])].join('\n')}\n`,
    statements: down.statements.length,
    loses,
    lostBefore,
    failing,
    notReversed: left,
  };
}

/** Prisma adds a required column again without a value for existing rows. */
function requiredColumns({ flat }: ParsedFile, defaultSchema: string): string[] {
  return flat.flatMap(({ node }) => {
    if (!('AlterTableStmt' in node)) return [];
    const { schema = defaultSchema, name } = tableOf(node.AlterTableStmt.relation);
    return commandsOf(node).flatMap(({ subtype, def }) => {
      if (subtype !== 'AT_AddColumn' || !def || !('ColumnDef' in def)) return [];
      const { colname = '', constraints } = def.ColumnDef;
      const kinds = new Set(constraintsOf(constraints).map(({ contype }) => contype));
      const isFilled =
        kinds.has('CONSTR_DEFAULT') || kinds.has('CONSTR_GENERATED') || kinds.has('CONSTR_IDENTITY');
      return kinds.has('CONSTR_NOTNULL') && !isFilled ? [`${schema}.${name}.${colname}`] : [];
    });
  });
}

function lossText({ name, kind }: Loss): string {
  return `${name}: ${PARTS[kind]}`;
}

function listed(title: string, items: readonly string[], none?: string): string[] {
  if (items.length > 0) return [`-- ${title}`, ...items.map((item) => `--   ${item}`)];
  return none === undefined ? [] : [`-- ${none}`];
}

function beginning(sql: string): string {
  const line = sql.slice(0, 400).replaceAll(/\s+/g, ' ');
  return line.length > 60 ? `${line.slice(0, 59)}…` : line;
}

/** Prisma wraps the change of an enum in a transaction, and a rollback already is one. */
function withoutTransactions({ source: { text }, statements }: ParsedFile): string {
  if (statements.length === 0) return '';
  let kept = text;
  for (const { node, index, sql } of statements.toReversed()) {
    if (!('TransactionStmt' in node)) continue;
    kept = kept.slice(0, index) + kept.slice(index + sql.length).replace(/^\s*;[^\S\n]*\n?/, '');
  }
  return kept.trim();
}
