import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { ClientBase } from 'pg';
import type { Settings } from '../../config/settings.js';
import type { Attempt } from '../../migrations/history/attempts.js';
import { checksumOf } from '../../migrations/history/history-writer.js';
import { parseFiles } from '../../migrations/sql/parse-files.js';
import { lookForTraces } from '../../migrations/traces/look-for-traces.js';
import { tracesOf } from '../../migrations/traces/traces-of.js';
import { readUnenforced } from '../../postgres/catalogue/unenforced.js';
import type { ReadTimeouts } from '../../postgres/read.js';
import { invalidIndexesFrom } from '../unenforced-objects.js';
import { judgeAttempt } from './judge-attempt.js';
import { choicesOf } from './marks.js';
import type { MigrationState } from './resolve.types.js';

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

const NOTHING = { applied: [], uncertain: [], notApplied: [], assumedNotRun: [], invalid: [] } as const;

function ranOf({ mode, steps }: Attempt, isSameFile: boolean): MigrationState['ran'] {
  if (!mode) return { by: 'something else' };
  return mode.kind === 'statements'
    ? { by: 'pgkeep', as: mode.kind, statements: mode.total, applied: steps, isSameFile }
    : { by: 'pgkeep', as: mode.kind };
}
