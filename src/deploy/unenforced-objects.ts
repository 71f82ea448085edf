import type { ClientBase } from 'pg';
import { readUnenforced, type Unenforced } from '../catalogue/unenforced.js';
import type { ReadTimeouts } from '../database/read.js';
import { commandsOf, constraintsOf } from '../migrations/lint/ast.js';
import type { ParsedFile } from '../migrations/lint/parse-files.js';

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

/** The invalid indexes that a script made or names. Pure. */
export function invalidIndexesOf(
  sql: string,
  before: readonly Unenforced[],
  after: readonly Unenforced[],
): string[] {
  return after
    .filter(({ kind }) => kind === 'invalid index')
    .filter(({ name }) => sql.includes(ownName(name)) || !before.some((one) => one.name === name))
    .map(({ name }) => name);
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
