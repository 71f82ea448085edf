import type { ClientBase } from 'pg';
import { readUnenforced, type Unenforced } from '../postgres/catalogue/unenforced.js';
import type { ReadTimeouts } from '../postgres/read.js';
import { commandsOf, constraintsOf, tableOf } from '../migrations/sql/syntax-tree.js';
import type { ParsedFile } from '../migrations/sql/parse-files.js';

/** What is not used or enforced; nothing where that cannot be read: a deploy does not fail for it. */
export async function unenforcedIn(
  client: ClientBase,
  timeouts: ReadTimeouts,
): Promise<readonly Unenforced[]> {
  return await readUnenforced(client, timeouts).catch(() => []);
}

/** What a deploy left, and its text does not say: a constraint that is added NOT VALID is meant to be validated later. Pure. */
export function leftBehind(
  before: readonly Unenforced[],
  after: readonly Unenforced[],
  parsed: readonly ParsedFile[],
): Unenforced[] {
  const said = new Set(parsed.flatMap(notValidIn));
  return after.filter(
    (one) =>
      !before.some(({ kind, name }) => kind === one.kind && name === one.name) &&
      !(one.kind === 'not validated' && (said.has('') || said.has(ownName(one.name)))),
  );
}

/** The invalid indexes that were not there before a script ran, or that it names. Pure. */
export function invalidIndexesOf(
  sql: string,
  before: readonly Unenforced[],
  after: readonly Unenforced[],
): string[] {
  return invalidIndexes(after).filter(
    (name) => isNamedIn(sql, name) || !before.some((one) => one.name === name),
  );
}

/** The invalid indexes that a file names, or that have the name that PostgreSQL makes for one of its indexes. Pure. */
export function invalidIndexesFrom(parsed: ParsedFile, all: readonly Unenforced[]): string[] {
  const tables = parsed.flat.flatMap(({ node }) => {
    if ('IndexStmt' in node && !node.IndexStmt.idxname) return [tableOf(node.IndexStmt.relation).name];
    if ('ReindexStmt' in node && node.ReindexStmt.relation) return [tableOf(node.ReindexStmt.relation).name];
    return [];
  });
  return invalidIndexes(all).filter(
    (name) =>
      isNamedIn(parsed.source.text, name) ||
      tables.some((table) => ownName(name).startsWith(table.slice(0, LONGEST_KEPT))),
  );
}

/** Of a long table's name PostgreSQL keeps at least so much in the name that it makes for an index. */
const LONGEST_KEPT = 29;

function invalidIndexes(all: readonly Unenforced[]): string[] {
  return all.filter(({ kind }) => kind === 'invalid index').map(({ name }) => name);
}

/** REINDEX CONCURRENTLY that fails leaves an index with a suffix. */
function isNamedIn(sql: string, name: string): boolean {
  const own = ownName(name).replace(/_cc(?:new|old)\d*$/, '');
  return sql.includes(own) || sql.includes(own.replaceAll('"', '""'));
}

/** The names of constraints that are added NOT VALID; an empty one where PostgreSQL makes the name. */
function notValidIn({ flat }: ParsedFile): string[] {
  const names: string[] = [];
  for (const { node } of flat) {
    for (const { def } of commandsOf(node)) {
      for (const { conname = '', skip_validation: isNotValid } of constraintsOf(def && [def])) {
        if (isNotValid) names.push(conname);
      }
    }
  }
  return names;
}

/** Without schema and table, unquoted. */
function ownName(name: string): string {
  const own = /(?:"(?:[^"]|"")*"|[^."]+)$/.exec(name)?.[0] ?? name;
  return own.startsWith('"') ? own.slice(1, -1).replaceAll('""', '"') : own;
}
