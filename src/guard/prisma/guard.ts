import type { GuardSettings } from '../../config/guard-settings.js';
import { messageOf } from '../../core/errors.js';
import { decide, needsDatabase } from './decide.js';
import type { Target, Verdict } from './guard.types.js';
import { parsePrismaCommand, type PrismaCommand } from './prisma-command.js';

/** A Prisma command, and the databases that it would work on. */
export interface GuardRequest extends GuardSettings {
  /** The arguments: see `parsePrismaCommand`. */
  readonly argv: readonly string[];
  /** The datasource's URL; undefined if none is configured. */
  readonly url: string | undefined;
  readonly shadowUrl: string | undefined;
  /** What called the guard, for the audit log. */
  readonly via: string;
}

/**
 * Decides whether a command may run: reads the stamps of its databases, and accepts an override after it is
 * recorded. A command that depends on no database is decided without connecting or loading the driver.
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

const NO_OPTIONS = {
  url: undefined,
  urlWins: false,
  shadowUrl: undefined,
  file: undefined,
  config: undefined,
} as const;

/** A test suite is judged like the most destructive Prisma command. */
const ANYTHING = { name: '', effect: 'develop', usesShadow: false, ...NO_OPTIONS } as const;

/** Decides whether a test suite may use this database, as with NODE_ENV=test. */
export async function judgeTestDatabase(
  url: string | undefined,
  { production }: GuardSettings,
): Promise<Verdict> {
  if (!url) return { verdict: 'allow' };
  const { readTarget } = await import('./read-target.js');
  const targets = [await readTarget('datasource', url, production)];
  const verdict = decide({
    command: ANYTHING,
    what: 'the tests',
    environment: 'test',
    dbPushAllowed: false,
    targets,
  });
  const remedy = 'Use a separate database for the tests, and stamp it: `pgkeep stamp test`.';
  return verdict.verdict === 'allow' ? verdict : { ...verdict, remedy };
}

/** Returns the URLs of the databases, the command's own first. */
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

/** Accepts an override after recording it; not for a database that cannot be reached, nor for a shadow database. */
async function overridden(
  refusal: Extract<Verdict, { verdict: 'refuse' }>,
  command: PrismaCommand,
  request: GuardRequest,
): Promise<Verdict> {
  const { target } = refusal;
  if (!target || target.use === 'shadow') return withNote(refusal, 'does not apply to a shadow database.');
  if (request.override !== overridePhrase(command.name, target.database)) {
    return withNote(refusal, 'names another command or database.');
  }
  const [url, another] = datasourceUrls(command, request);
  // With two URLs it is unknown which one the command uses.
  if (url === undefined || another !== undefined)
    return withNote(refusal, 'does not apply together with --url.');
  const { recordOverride } = await import('./record-override.js');
  try {
    await recordOverride(url, {
      command: command.name,
      refused: refusal.reason,
      via: request.via,
      environment: request.environment,
      database: target.database,
    });
  } catch (error) {
    return withNote(refusal, `was ignored because it cannot be recorded: ${messageOf(error)}`);
  }
  return { verdict: 'allow' };
}

function withNote(refusal: Extract<Verdict, { verdict: 'refuse' }>, note: string): Verdict {
  return { ...refusal, remedy: `${refusal.remedy}\nPGKEEP_GUARD_OVERRIDE ${note}` };
}

/** Returns the value of PGKEEP_GUARD_OVERRIDE that allows this command on this database once. */
function overridePhrase(commandName: string, database: string): string {
  return `I MEAN IT: ${commandName} on ${database}`;
}

/** The caller that starts Prisma, whose configuration then calls the guard again: one override is one entry. */
export const LAUNCHER = 'pgkeep prisma';
