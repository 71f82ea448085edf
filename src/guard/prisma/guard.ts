import type { GuardSettings } from '../../config/guard-settings.js';
import { messageOf } from '../../core/errors.js';
import { decide, needsDatabase } from './decide.js';
import type { Target, Verdict } from './guard.types.js';
import { parsePrismaCommand, type PrismaCommand } from './prisma-command.js';

/** One command of Prisma's, and the databases that it would work on. */
export interface GuardRequest extends GuardSettings {
  /** What was typed: see `parsePrismaCommand`. */
  readonly argv: readonly string[];
  /** The datasource's URL; undefined where none is configured. */
  readonly url: string | undefined;
  readonly shadowUrl: string | undefined;
  /** Which way in asks, for the change log. */
  readonly door: string;
}

/**
 * Decides whether a command may run: asks the databases it would work on, and lets an override through once it is
 * recorded. A command that rests on no database is decided without connecting, or loading what connects.
 */
export async function guard(request: GuardRequest): Promise<Verdict> {
  const command = parsePrismaCommand(request.argv);
  const { environment, dbPushAllowed, override } = request;
  if (!needsDatabase(command, environment)) return { verdict: 'allow' };
  const [targets, script] = await Promise.all([readTargets(command, request), readSql(command)]);
  const facts = { command, environment, dbPushAllowed, targets, ...(script && { sql: script }) };
  const verdict = decide(facts);
  if (verdict.verdict === 'allow' || override === undefined) return verdict;
  return await overridden(verdict, command, request);
}

/** The databases by their URLs, the one that the command is about first. */
function datasourceUrls(command: PrismaCommand, { url }: GuardRequest): string[] {
  const urls = command.url && command.urlWins ? [command.url] : [url, command.url];
  return [...new Set(urls.flatMap((text) => text || []))];
}

async function readTargets(command: PrismaCommand, request: GuardRequest): Promise<Target[]> {
  const { readTarget } = await import('./read-target.js');
  const shadow = command.usesShadow ? (command.shadowUrl ?? request.shadowUrl) : undefined;
  return await Promise.all([
    ...datasourceUrls(command, request).map((url) => readTarget('datasource', url, request.production)),
    ...(shadow ? [readTarget('shadow', shadow, request.production)] : []),
  ]);
}

async function readSql(command: PrismaCommand) {
  if (command.effect !== 'execute') return undefined;
  const { readScript } = await import('./read-script.js');
  return await readScript(command);
}

/** No record, no override: of a database that cannot be asked there is none, nor of one that is to be emptied. */
async function overridden(
  refusal: Extract<Verdict, { verdict: 'refuse' }>,
  command: PrismaCommand,
  request: GuardRequest,
): Promise<Verdict> {
  const { target } = refusal;
  if (!target || target.use === 'shadow') return withNote(refusal, 'opens no shadow database.');
  if (request.override !== overridePhrase(command.name, target.database)) {
    return withNote(refusal, 'says something else than this command on this database.');
  }
  const [url, another] = datasourceUrls(command, request);
  // Of two nobody knows which one the command takes.
  if (url === undefined || another !== undefined) return withNote(refusal, 'opens nothing beside --url.');
  const { recordOverride } = await import('./record-override.js');
  try {
    await recordOverride(url, {
      command: command.name,
      refused: refusal.reason,
      door: request.door,
      environment: request.environment,
      database: target.database,
    });
  } catch (error) {
    return withNote(refusal, `does not count, because it cannot be recorded: ${messageOf(error)}`);
  }
  return { verdict: 'allow' };
}

function withNote(refusal: Extract<Verdict, { verdict: 'refuse' }>, note: string): Verdict {
  return { ...refusal, remedy: `${refusal.remedy}\nPGKEEP_GUARD_OVERRIDE ${note}` };
}

/** What the operator types to be let through, once, for this command on this database. */
function overridePhrase(commandName: string, database: string): string {
  return `I MEAN IT: ${commandName} on ${database}`;
}

/** The door that starts Prisma, whose configuration may then ask once more: one override is one entry. */
export const LAUNCHER = 'pgkeep prisma';
