import { stringOf } from './ast.js';
import type { Statement } from './rule.js';
import type { SqlParser } from './sql-parser.js';
import { embeddedStatements } from './statements.js';

/** What a `DO` block runs. */
export interface DoBlock {
  readonly statements: readonly Statement[];
  /** What in it nobody can know before it runs: why, and where. */
  readonly unread: readonly { readonly why: string; readonly index: number }[];
}

/** Statements that PL/pgSQL runs itself, by the name of its node; each holds one SQL text. */
const RUNS_SQL = new Set(['PLpgSQL_stmt_execsql', 'PLpgSQL_stmt_perform', 'PLpgSQL_stmt_dynexecute']);

/** Looks into a `DO` block; undefined where the statement is none. */
export function readDoBlock(statement: Statement, text: string, parser: SqlParser): DoBlock | undefined {
  if (!('DoStmt' in statement.node)) return undefined;
  const options = (statement.node.DoStmt.args ?? []).flatMap((option) =>
    'DefElem' in option ? [option.DefElem] : [],
  );
  const language = stringOf(options.find(({ defname }) => defname === 'language')?.arg) ?? 'plpgsql';
  const body = stringOf(options.find(({ defname }) => defname === 'as')?.arg) ?? '';
  const plpgsql = language === 'plpgsql' ? parser.parsePlpgsql(statement.sql) : undefined;
  if (plpgsql === undefined) {
    const why = `the block is in ${language}${language === 'plpgsql' ? ', and PL/pgSQL refuses it' : ''}`;
    return { statements: [], unread: [{ why, index: statement.index }] };
  }
  const start = text.indexOf(body, statement.index);
  const place = new Place(text, body, start === -1 ? statement.index : start);
  const statements: Statement[] = [];
  const unread: DoBlock['unread'][number][] = [];
  for (const { kind, sql } of runSql(plpgsql)) {
    const constant = kind === 'PLpgSQL_stmt_dynexecute' ? constantOf(sql, parser) : sql;
    const index = place.next(sql);
    const found = constant === undefined ? undefined : embeddedStatements(parser, constant, index);
    if (found) statements.push(...found);
    else unread.push({ why: 'EXECUTE runs a text that is put together when it runs', index });
  }
  return { statements, unread };
}

/** Finds one text after the other in the block's body, in their order. */
class Place {
  private behind = 0;

  constructor(
    private readonly text: string,
    private readonly body: string,
    private readonly start: number,
  ) {}

  next(sql: string): number {
    const found = this.body.indexOf(sql, this.behind);
    if (found === -1 || !this.text.startsWith(this.body, this.start)) return this.start;
    this.behind = found + sql.length;
    return this.start + found;
  }
}

function* runSql(tree: unknown): Generator<{ kind: string; sql: string }> {
  if (typeof tree !== 'object' || tree === null) return;
  for (const [name, value] of Object.entries(tree)) {
    if (RUNS_SQL.has(name)) {
      const sql = queryOf(value);
      if (sql !== undefined) yield { kind: name, sql };
    }
    yield* runSql(value);
  }
}

/** The text of the first expression below a node. */
function queryOf(tree: unknown): string | undefined {
  if (typeof tree !== 'object' || tree === null) return undefined;
  for (const [name, value] of Object.entries(tree)) {
    if (name === 'query' && typeof value === 'string') return value;
    const found = queryOf(value);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The text that `EXECUTE '…'` runs, where it is a constant. */
function constantOf(expression: string, parser: SqlParser): string | undefined {
  const parsed = parser.parse(`SELECT ${expression}`);
  if ('message' in parsed) return undefined;
  const node = parsed[0]?.node;
  const target = node && 'SelectStmt' in node ? node.SelectStmt.targetList?.[0] : undefined;
  const value = target && 'ResTarget' in target ? target.ResTarget.val : undefined;
  return value && 'A_Const' in value ? value.A_Const.sval?.sval : undefined;
}
