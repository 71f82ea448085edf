import path from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { PrismaConfiguration } from '../../config/prisma-project.js';
import type { Environment } from '../../config/read-settings.js';
import { redactSecrets } from '../../config/redact-secrets.js';
import { PgkeepError, messageOf } from '../../core/errors.js';
import { packageFile } from '../../core/package-file.js';
import { ProgramFailure } from '../../core/process/program-failure.js';
import { type ProgramEnd, startProgram } from '../../core/process/program.js';
import { withoutStop } from '../../core/text.js';
import { ANSWER_MARK, type Evaluation } from './evaluation.types.js';
import { findPrismaConfigLoader } from './find-prisma.js';

/** The built file, also for a caller that runs the sources: Node.js 22.12 runs no TypeScript. */
const EVALUATION_PROCESS = fileURLToPath(packageFile('dist/migrations/prisma-config/evaluation-process.js'));

/** How long a configuration may take: it may import a compiler, and ask a database. */
const DEADLINE_MS = 20_000;
/** Longest part of a cause that is shown. */
const SHOWN = 600;
/** In Prisma's message about a wrong field, the field follows this, after the type of the complete object. */
const FIELD = '└─ ';

/** How a configuration is evaluated. */
export interface EvaluationOptions {
  /** The environment that Prisma would get. */
  readonly environment: Environment;
  readonly workingDirectory: string;
  readonly signal?: AbortSignal;
  /** Defaults to 20 seconds. */
  readonly deadlineMs?: number;
}

/**
 * Evaluates a Prisma configuration with Prisma's own loader, in a separate process, because it is the application's
 * code, which may print, exit, or hang.
 * @throws PgkeepError `PRISMA_CONFIG_INVALID`, `PRISMA_MISSING`; `INTERRUPTED` when `signal` is aborted.
 */
export async function evaluatePrismaConfig(
  file: string,
  options: EvaluationOptions,
): Promise<PrismaConfiguration> {
  const { environment, signal, deadlineMs = DEADLINE_MS } = options;
  const { answer, end, isLate } = await evaluateFor(['validate', '--config'], file, options);
  if (answer?.kind === 'configured') return answer.configuration;
  if (signal?.aborted === true) throw new PgkeepError('INTERRUPTED', 'Interrupted. Nothing was changed.');
  if (isLate) throw invalid(file, `it did not end within ${deadlineMs / 1000} seconds`);
  const cause = answer?.message ?? messageOf(new ProgramFailure('it', end));
  throw invalid(file, redactSecrets(cause, environment));
}

/** A database that no server has: whether a configuration is guarded must not depend on what a database says. */
const NO_DATABASE = 'postgresql://pgkeep@127.0.0.1:1/guard-check';

/** Whatever names a database or lets the guard pass; `NAME_FILE` as well. */
const LEADS_TO_A_DATABASE = /^(?:(?:\w+_)?DATABASE_URL\w*|DIRECT_URL|PGKEEP_GUARD_OVERRIDE)(?:_FILE)?$/;

/** What pgkeep's guard ends the process with. */
const REFUSED = 3;

/**
 * Returns whether a configuration refuses `prisma migrate reset` in production: it is evaluated as Prisma would evaluate
 * it for that command, with NODE_ENV=production and a database that does not exist. The command itself does not run.
 * @throws PgkeepError `PRISMA_CONFIG_INVALID`, `PRISMA_MISSING`; `INTERRUPTED` when `signal` is aborted.
 */
export async function isGuarded(file: string, options: EvaluationOptions): Promise<boolean> {
  const { environment, signal } = options;
  const harmless = Object.entries(environment).filter(([name]) => !LEADS_TO_A_DATABASE.test(name));
  const guarded = { ...Object.fromEntries(harmless), NODE_ENV: 'production', DATABASE_URL: NO_DATABASE };
  const { answer, end } = await evaluateFor(['migrate', 'reset'], file, { ...options, environment: guarded });
  if (signal?.aborted === true) throw new PgkeepError('INTERRUPTED', 'Interrupted. Nothing was changed.');
  if (answer?.kind === 'configured') return false;
  if (end.exitCode === REFUSED) return true;
  const cause = answer?.message ?? messageOf(new ProgramFailure('it', end));
  throw invalid(file, redactSecrets(cause, environment));
}

/** Evaluates a configuration in its own process, on whose command line stands the command that it is evaluated for. */
async function evaluateFor(
  command: readonly [string, string],
  file: string,
  { environment, workingDirectory, signal, deadlineMs = DEADLINE_MS }: EvaluationOptions,
): Promise<{ answer: Evaluation | undefined; end: ProgramEnd; isLate: boolean }> {
  const loader = findPrismaConfigLoader(workingDirectory);
  const deadline = AbortSignal.timeout(deadlineMs);
  const leaving = new AbortController();
  const leave = (): void => leaving.abort();
  // After the application's own modules: a pgkeep that is installed elsewhere has its own Prisma.
  const modules = [environment['NODE_PATH'], loader.modules].filter(Boolean).join(path.delimiter);
  const ending = AbortSignal.any([deadline, leaving.signal, ...(signal === undefined ? [] : [signal])]);
  process.once('exit', leave);
  const running = await startProgram(
    process.execPath,
    [EVALUATION_PROCESS, ...command, file, loader.module],
    { env: { ...environment, NODE_PATH: modules }, signal: ending },
  );
  const output = await text(running.stdout);
  const end = await running.ended;
  process.off('exit', leave);
  return { answer: answerIn(output), end, isLate: deadline.aborted };
}

function answerIn(output: string): Evaluation | undefined {
  const place = output.lastIndexOf(ANSWER_MARK);
  if (place === -1) return undefined;
  const answer: Evaluation = JSON.parse(output.slice(place + ANSWER_MARK.length));
  return answer;
}

function invalid(file: string, cause: string): PgkeepError {
  const own = cause.slice(Math.max(0, cause.indexOf(FIELD)));
  const shown = own.length > SHOWN ? `${own.slice(0, SHOWN)}…` : own;
  return new PgkeepError(
    'PRISMA_CONFIG_INVALID',
    `Cannot load the Prisma configuration ${file}: ${withoutStop(shown)}. Nothing was changed.`,
    { hint: `Fix it until this passes, then try again: \`npx prisma validate --config ${file}\`.` },
  );
}
