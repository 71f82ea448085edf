import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { errorCode, messageOf } from '../../core/errors.js';
import type { SqlReading } from './guard.types.js';
import type { PrismaCommand } from './prisma-command.js';

/** Reads what `db execute` would run. A script that cannot be read, or only once, is not trusted. */
export async function readScript(
  { file }: PrismaCommand,
  workingDirectory: string = process.cwd(),
): Promise<SqlReading> {
  if (file === undefined) return { kind: 'unread', why: 'a script from stdin cannot be checked in advance' };
  const script = path.resolve(workingDirectory, file);
  try {
    // What is read from a pipe is lost for Prisma.
    if (!statSync(script).isFile()) return { kind: 'unread', why: 'the script is not a regular file' };
    return await judgeSql(readFileSync(script, 'utf8'));
  } catch (error) {
    return { kind: 'unread', why: `the script cannot be read (${errorCode(error) ?? messageOf(error)})` };
  }
}

/** The fields of a node in the parser's JSON. */
type Fields = Readonly<Record<string, unknown>>;

/** Code that is not parsed, and may do anything. */
const OPAQUE: Readonly<Record<string, string>> = { DoStmt: 'a DO block', CallStmt: 'CALL' };

/**
 * Parses a script with PostgreSQL's own grammar and finds the first destructive statement: DROP,
 * TRUNCATE, ALTER … DROP, DELETE or UPDATE of every row. What cannot be parsed is `unread`. Loads the parser, 1.7 MB
 * of WebAssembly.
 */
export async function judgeSql(script: string): Promise<SqlReading> {
  // The parser refuses the empty string, which PostgreSQL accepts; Prisma drops a byte order mark.
  const text = script.replace(/^\u{FEFF}/u, '');
  if (text.trim() === '') return { kind: 'harmless' };
  const { loadModule, parseSync } = await import('libpg-query');
  await loadModule();
  try {
    const bytes = Buffer.from(text);
    for (const { stmt, stmt_location: start = 0 } of parseSync(text).stmts ?? []) {
      const what = firstLoss(stmt);
      if (what !== undefined) return { kind: 'destructive', what, line: lineOf(bytes, start) };
    }
    return { kind: 'harmless' };
  } catch (error) {
    return { kind: 'unread', why: `the script is not valid PostgreSQL (${messageOf(error)})` };
  }
}

/** Searches depth first: a DELETE may be in a WITH, in EXPLAIN or in PREPARE. */
function firstLoss(tree: unknown): string | undefined {
  if (typeof tree !== 'object' || tree === null) return undefined;
  for (const [name, value] of Object.entries(tree)) {
    const found = (isFields(value) ? lossOf(name, value) : undefined) ?? firstLoss(value);
    if (found !== undefined) return found;
  }
  return undefined;
}

function lossOf(node: string, fields: Fields): string | undefined {
  if (/^Drop\w*Stmt$/i.test(node)) return dropped(fields);
  if (node === 'TruncateStmt') return 'TRUNCATE';
  if (node === 'DeleteStmt' && isUnfiltered(fields)) return 'DELETE without WHERE';
  if (node === 'UpdateStmt' && isUnfiltered(fields)) return 'UPDATE without WHERE';
  if (node === 'MergeWhenClause' && fields['commandType'] === 'CMD_DELETE') return 'MERGE … DELETE';
  // Removes no data.
  if (node === 'AlterTableCmd' && fields['subtype'] !== 'AT_DropNotNull')
    return alteration(fields['subtype']);
  if (node === 'AlterDomainStmt' && fields['subtype'] === 'X') return 'ALTER … DROP';
  return OPAQUE[node];
}

function dropped({ removeType }: Fields): string {
  const kind = typeof removeType === 'string' ? removeType.replace(/^OBJECT_/, '').replaceAll('_', ' ') : '';
  return `DROP ${kind}`.trim();
}

function alteration(subtype: unknown): string | undefined {
  return typeof subtype === 'string' && subtype.startsWith('AT_Drop') ? 'ALTER … DROP' : undefined;
}

/** Whether there is no filter: a WHERE without a column, such as `WHERE 1 = 1`, filters nothing. */
function isUnfiltered({ whereClause }: Fields): boolean {
  return whereClause === undefined || !asksColumn(whereClause);
}

function asksColumn(tree: unknown): boolean {
  if (typeof tree !== 'object' || tree === null) return false;
  return Object.entries(tree).some(([name, value]) => name === 'ColumnRef' || asksColumn(value));
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Returns the line of a statement's first word; its location includes whitespace and comments before it. */
function lineOf(bytes: Buffer, start: number): number {
  const before = bytes.subarray(0, start).toString('utf8');
  const lead = /^(?:\s|--[^\n]*(?:\n|$)|\/\*[\s\S]*?\*\/)*/.exec(bytes.subarray(start).toString('utf8'))?.[0];
  return (before + (lead ?? '')).split('\n').length;
}
