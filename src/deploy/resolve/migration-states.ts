import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Node } from 'libpg-query';
import type { ClientBase } from 'pg';
import type { Settings } from '../../config/settings.js';
import { checksumOf } from '../../migrations/history/history-writer.js';
import type { Attempt } from '../../migrations/history/prisma-history.js';
import { refusedInTransaction } from '../../migrations/lint/engine.js';
import { isAboutTemporary } from '../../migrations/names/temporary-objects.js';
import { type ParsedFile, parseFiles } from '../../migrations/sql/parse-files.js';
import type { Statement } from '../../migrations/sql/statements.js';
import { commandsOf } from '../../migrations/sql/syntax-tree.js';
import { lookForTraces } from '../../migrations/traces/look-for-traces.js';
import { type Traced, traceLabel, tracesOf, tracesOfStatement } from '../../migrations/traces/traces-of.js';
import { readUnenforced } from '../../postgres/catalogue/unenforced.js';
import type { ReadTimeouts } from '../../postgres/read.js';
import { isOfSession, mayCommit } from '../apply/execution-mode.js';
import { redactQuery } from '../sessions.js';
import { invalidIndexesFrom } from '../unenforced-objects.js';
import { choicesOf } from './marks.js';
import type { MigrationState } from './resolve.types.js';

/** No statement of any verdict. */
const NONE = { applied: [], uncertain: [], notApplied: [], assumedNotRun: [] } as const;

const NOTHING = { ...NONE, invalid: [] } as const;

/** Returns the migrations that need resolving, in the order in which they were started. Pure. */
export function unsettledNames(attempts: readonly Attempt[], directory: ReadonlySet<string>): string[] {
  const names = [...new Set(attempts.map(({ name }) => name))];
  return names.filter((name) => {
    const state = stateOf(name, attempts, directory);
    // A rolled back migration whose directory was deleted needs nothing.
    return state === 'failed' || state === 'unknown' || (state === 'rolled back' && directory.has(name));
  });
}

function stateOf(
  name: string,
  attempts: readonly Attempt[],
  directory: ReadonlySet<string>,
): MigrationState['state'] {
  const own = attempts.filter((attempt) => attempt.name === name);
  if (own.length === 0) return 'pending';
  if (own.some(({ state }) => state === 'failed')) return 'failed';
  if (own.every(({ state }) => state === 'rolled back')) return 'rolled back';
  return directory.has(name) ? 'applied' : 'unknown';
}

/**
 * Reads the state of one migration from the history and the database.
 * @throws what the file system or the connection throws.
 */
export async function readState(
  client: ClientBase,
  name: string,
  { attempts, directory }: { attempts: readonly Attempt[]; directory: ReadonlySet<string> },
  { migrationsDirectory, database }: Settings,
  timeouts: ReadTimeouts,
): Promise<MigrationState> {
  const state = stateOf(name, attempts, directory);
  const own = attempts.filter((attempt) => attempt.name === name);
  const last = own.findLast((attempt) => attempt.state === 'failed') ?? own.at(-1);
  const file = path.join(migrationsDirectory, name, 'migration.sql');
  const isHere = existsSync(file);
  const script = isHere ? await readFile(file, 'utf8') : '';
  const isSameFile = last?.checksum === checksumOf(script);
  const common = {
    migration: name,
    state,
    started: last?.started ?? null,
    said: last?.said ?? null,
    ran: state === 'failed' && last ? ranOf(last, isSameFile) : null,
    isHere,
  };
  const [parsed] = isHere ? await parseFiles([{ path: file, content: script }]) : [];
  if (!parsed) {
    const unread = { verdict: 'unknown', there: [], notThere: [], ...NOTHING } as const;
    return { ...common, ...unread, choices: choicesOf({ ...common, ...unread }) };
  }
  const { schema } = database.url;
  const traced = await lookForTraces(client, tracesOf(parsed, schema), timeouts);
  const judged =
    state === 'failed' && last
      ? judgeAttempt({ attempt: last, parsed, traced, isSameFile, schema })
      : NOTHING;
  const unenforced = await readUnenforced(client, timeouts);
  const invalid = invalidIndexesFrom(parsed, unenforced);
  const found = { ...traced, ...NOTHING, ...judged, invalid };
  return { ...common, ...found, choices: choicesOf({ ...common, ...found }) };
}

function ranOf({ mode, steps }: Attempt, isSameFile: boolean): MigrationState['ran'] {
  if (!mode) return { by: 'something else' };
  return mode.kind === 'statements'
    ? { by: 'pgkeep', as: mode.kind, statements: mode.total, applied: steps, isSameFile }
    : { by: 'pgkeep', as: mode.kind };
}

/** What is known of the statements of a failed attempt, each as `line 2: UPDATE "purse" SET …`. */
interface JudgedAttempt {
  readonly verdict: Traced['verdict'];
  /** Statements that pgkeep recorded as applied. */
  readonly applied: readonly string[];
  /** Statements that leave no trace: they may have been applied, and would have an effect again. */
  readonly uncertain: readonly string[];
  /** Statements that were not run, were rolled back, or were undone by hand. */
  readonly notApplied: readonly string[];
  /** Statements after one whose object is missing: not run, unless that object was dropped by hand. */
  readonly assumedNotRun: readonly string[];
}

/** What a verdict is based on. */
interface AttemptEvidence {
  readonly attempt: Attempt;
  readonly parsed: ParsedFile;
  /** What exists of the objects of the file. */
  readonly traced: Traced;
  /** Whether the file is the one that was run. */
  readonly isSameFile: boolean;
  /** PostgreSQL schema of unqualified names. */
  readonly schema: string;
}

/**
 * Judges a failed attempt: by the record if pgkeep ran it, otherwise by the database alone. Since Prisma 7.4 its own
 * engine commits each statement separately, or sends the file as one transaction if its parser fails; nothing in the
 * history says which. Pure.
 */
function judgeAttempt(evidence: AttemptEvidence): JudgedAttempt {
  const { mode } = evidence.attempt;
  // An object that exists nevertheless was created by something else.
  const isNothing = mode?.kind === 'transaction' && evidence.traced.there.length === 0;
  if (isNothing) return { verdict: 'nothing', ...NONE };
  if (mode?.kind === 'statements' && evidence.isSameFile) return judgeRecorded(evidence);
  return judgeUnrecorded(evidence);
}

function judgeRecorded({ attempt, parsed, traced, schema }: AttemptEvidence): JudgedAttempt {
  const { steps } = attempt;
  const name = namer(parsed);
  const shown = (statements: readonly Statement[]): string[] =>
    statements.filter(({ node }) => !isOfSession(node)).map(name);
  const next = parsed.statements[steps];
  const seen = next && mayHaveLeft(next, attempt) ? sightOf(next, traced, schema) : 'missing';
  const ran = parsed.statements.slice(0, seen === 'there' ? steps + 1 : steps);
  // Recorded as applied, but undone by hand since.
  const undone = ran.filter((statement) => sightOf(statement, traced, schema) === 'missing');
  const applied = shown(ran.filter((statement) => !undone.includes(statement)));
  const uncertain = next && seen === 'unseen' ? shown([next]) : [];
  const rest = parsed.statements.slice(seen === 'missing' ? steps : steps + 1);
  const notApplied = shown([...undone, ...rest]);
  return { ...NONE, verdict: verdictOf(applied, uncertain, notApplied), applied, uncertain, notApplied };
}

/** Whether a statement outside a transaction may be applied although that was not recorded. */
function mayHaveLeft({ node, sql }: Statement, { said }: Attempt): boolean {
  return mayCommit(node, sql) && !(said !== null && refusedInTransaction(node) !== undefined);
}

function verdictOf(
  applied: readonly string[],
  uncertain: readonly string[],
  notApplied: readonly string[],
): Traced['verdict'] {
  if (uncertain.length === 0 && notApplied.length === 0) return 'all';
  if (uncertain.length === 0 && applied.length === 0) return 'nothing';
  return applied.length === 0 && notApplied.length === 0 ? 'unknown' : 'some';
}

/** Judges by order: statements after one whose object is missing were not applied. */
function judgeUnrecorded({ parsed, traced, schema }: AttemptEvidence): JudgedAttempt {
  // Temporary objects ended with their session.
  const changing = parsed.flat.filter(({ node }) => !isOfSession(node) && !isAboutTemporary(node));
  const sights = changing.map((statement) => sightOf(statement, traced, schema));
  const missing = sights.indexOf('missing');
  const isInOrder = missing !== -1 && sights.lastIndexOf('there') < missing;
  const open = isInOrder ? missing : sights.length;
  const traceless = changing.flatMap((statement, index) =>
    sights[index] === 'unseen' && !isRepeatable(statement.node) ? [{ statement, index }] : [],
  );
  const name = namer(parsed);
  const namesOf = (part: typeof traceless): string[] => [
    ...new Set(part.map(({ statement }) => name(statement))),
  ];
  const uncertain = namesOf(traceless.filter(({ index }) => index < open));
  const assumedNotRun = namesOf(traceless.filter(({ index }) => index >= open));
  const verdict = traced.verdict === 'nothing' && uncertain.length > 0 ? 'unknown' : traced.verdict;
  return { ...NONE, verdict, uncertain, assumedNotRun };
}

/** Whether the objects of a statement exist: a statement is applied completely or not at all. */
function sightOf(
  { node }: Statement,
  { there, notThere }: Traced,
  schema: string,
): 'there' | 'missing' | 'unseen' {
  const labels = tracesOfStatement(node, schema).map(traceLabel);
  if (labels.some((label) => notThere.includes(label))) return 'missing';
  return labels.some((label) => there.includes(label)) ? 'there' : 'unseen';
}

function namer({ source }: ParsedFile): (statement: Statement) => string {
  return ({ sql, index }) => `line ${source.position(index).line}: ${redactQuery(sql)}`;
}

/** Statements with the same result however often they run. */
const REPEATABLE = new Set([
  'CommentStmt',
  'GrantStmt',
  'GrantRoleStmt',
  'AlterOwnerStmt',
  'AlterDefaultPrivilegesStmt',
  'RefreshMatViewStmt',
  'VacuumStmt',
  'ReindexStmt',
]);

/** Whether a statement has the same result when it runs again (`IF NOT EXISTS`, `OR REPLACE`, `IF EXISTS`). Pure. */
function isRepeatable(node: Node): boolean {
  const [entry] = Object.entries(node);
  if (!entry) return false;
  const [kind, statement]: [string, unknown] = entry;
  if (REPEATABLE.has(kind)) return true;
  const commands = commandsOf(node);
  if (commands.length > 0) return commands.every(({ missing_ok: isConditional }) => isConditional === true);
  if (!(statement instanceof Object)) return false;
  return ['if_not_exists', 'replace', 'missing_ok', 'skipIfNewValExists'].some(
    (option) => Reflect.get(statement, option) === true,
  );
}
