import { commandsOf, constraintsOf, tableOf } from '../sql/syntax-tree.js';
import type { ParsedFile } from '../sql/parse-files.js';
import { lossesOf, type Loss } from './losses.js';
import { notReversed } from './not-reversed.js';
import { undoOf } from './undo-statement.js';

/** The script that takes a migration back, as it is written; what is worth telling about it. */
export interface DownScript {
  readonly text: string;
  /** Statements in it: none where the comparison shows no difference. */
  readonly statements: number;
  /** What it takes from the database, by name. */
  readonly loses: readonly string[];
  /** What the migration took, and this does not bring back, by name. */
  readonly lostBefore: readonly string[];
  /** Columns that it makes required and without a default, which fails where their table holds rows. */
  readonly failing: readonly string[];
  /** Statements of the migration that it does not take back. */
  readonly notReversed: readonly string[];
}

/** What stands where the comparison shows nothing. */
const NOTHING = [
  '-- Prisma sees no difference between the schema with the migration and without it: write here what takes it back.',
  '-- Where there is nothing to take back: SELECT 1;',
];

const PARTS: Readonly<Record<Loss['kind'], string>> = {
  table: 'the table, and its rows',
  schema: 'the schema, and everything in it',
  rows: 'rows',
  column: 'the column, and its values',
  values: 'values that are written over',
  conversion: 'values that become another type’s',
};

/** The SQL of a `down.sql`, and what of the migration it does not take back. */
export interface DownBody {
  readonly sql: string;
  /** As lines of people's text. */
  readonly left: readonly string[];
}

/**
 * Puts the SQL together: what Prisma's comparison gave, and around it what that does not see and has a name.
 * @param up the migration
 * @param reverse what Prisma's comparison gave
 */
export function downBody(up: ParsedFile, reverse: ParsedFile, schema: string): DownBody {
  const first: string[] = [];
  const last: string[] = [];
  const left: string[] = [];
  for (const { statement, why } of notReversed(up, schema)) {
    const { line } = up.source.position(statement.index);
    const undone = undoOf(statement, schema);
    if (!undone) left.push(`line ${line}: ${beginning(statement.sql)} (${why})`);
    // Whatever was made later may depend on what was made before.
    for (const { sql, isFirst } of undone ?? []) {
      (isFirst ? first : last).unshift(`-- What line ${line} of migration.sql made\n${sql}`);
    }
  }
  return { sql: [...first, withoutTransactions(reverse), ...last].filter(Boolean).join('\n\n'), left };
}

/** Writes the script down: its head says what it is and what it costs. @param down its SQL, parsed */
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
    `-- Takes ${name} back. Written by pgkeep from the difference that it makes to the schema:`,
    '-- review it, and commit it beside migration.sql. `pgkeep migrate rollback` runs it, all of it or nothing.',
    ...listed('It loses:', loses, 'It loses no row and no value.'),
    ...listed(
      'It fails where the table holds rows: a required column needs a default, or three steps:',
      failing,
    ),
    ...listed('What the migration took, and this does not bring back:', lostBefore),
    ...listed('Not taken back by what follows; write it by hand, or leave it:', left),
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

/** Prisma brings a required column back as it was, which rows that are there do not have. */
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

/** Prisma puts the change of an enum into a transaction of its own, and a rollback is one already. */
function withoutTransactions({ source: { text }, statements }: ParsedFile): string {
  if (statements.length === 0) return '';
  let kept = text;
  for (const { node, index, sql } of statements.toReversed()) {
    if (!('TransactionStmt' in node)) continue;
    kept = kept.slice(0, index) + kept.slice(index + sql.length).replace(/^\s*;[^\S\n]*\n?/, '');
  }
  return kept.trim();
}
