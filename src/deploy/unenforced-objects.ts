import type { ClientBase } from 'pg';
import { readUnenforced, type Unenforced } from '../postgres/catalogue/unenforced.js';
import type { ReadTimeouts } from '../postgres/read.js';
import { commandsOf, constraintsOf, tableOf } from '../migrations/sql/syntax-tree.js';
import type { ParsedFile } from '../migrations/sql/parse-files.js';

/** Reads what is not used or enforced; empty if that cannot be read, because a deploy must not fail for it. */
export async function unenforcedIn(
  client: ClientBase,
  timeouts: ReadTimeouts,
): Promise<readonly Unenforced[]> {
  return await readUnenforced(client, timeouts).catch(() => []);
}

/** Returns what a deploy left behind without saying so: a constraint added NOT VALID is validated later on purpose. Pure. */
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

/** Returns the invalid indexes that a script added or names. Pure. */
export function invalidIndexesOf(
  sql: string,
  before: readonly Unenforced[],
  after: readonly Unenforced[],
): string[] {
  return invalidIndexes(after).filter(
    (name) => isNamedIn(sql, name) || !before.some((one) => one.name === name),
  );
}

/** Returns the invalid indexes that a file names, or whose name PostgreSQL generated for one of its indexes. Pure. */
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

/** PostgreSQL keeps at least this much of a long table name in a generated index name. */
const LONGEST_KEPT = 29;

function invalidIndexes(all: readonly Unenforced[]): string[] {
  return all.filter(({ kind }) => kind === 'invalid index').map(({ name }) => name);
}

/** A failed REINDEX CONCURRENTLY leaves an index with a suffix. */
function isNamedIn(sql: string, name: string): boolean {
  const own = ownName(name).replace(/_cc(?:new|old)\d*$/, '');
  return sql.includes(own) || sql.includes(own.replaceAll('"', '""'));
}

/** Returns the names of constraints that are added NOT VALID; an empty string for a generated name. */
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

/** Returns the name without schema and table, unquoted. */
function ownName(name: string): string {
  const own = /(?:"(?:[^"]|"")*"|[^."]+)$/.exec(name)?.[0] ?? name;
  return own.startsWith('"') ? own.slice(1, -1).replaceAll('""', '"') : own;
}
