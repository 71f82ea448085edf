import path from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { PrismaConfiguration } from '../../config/prisma-project.js';
import type { Environment } from '../../config/read-settings.js';
import { redactSecrets } from '../../config/redact-secrets.js';
import { PgkeepError, messageOf } from '../../core/errors.js';
import { ProgramFailure } from '../../core/process/program-failure.js';
import { startProgram } from '../../core/process/program.js';
import { withoutStop } from '../../core/text.js';
import { ANSWER_MARK, type Evaluation } from './evaluation.types.js';
import { findPrismaConfigLoader } from './find-prisma.js';

/** The built one, whoever asks: Node.js runs no TypeScript. */
const EVALUATION_PROCESS = fileURLToPath(
  new URL('../../../dist/migrations/prisma-config/evaluation-process.js', import.meta.url),
);

/** How long a configuration may take: it may import a compiler, and ask a database. */
const DEADLINE_MS = 20_000;
/** How much of a cause is shown. */
const SHOWN = 600;
/** Where Prisma's message about a wrong field comes to the field, behind the type of the whole object. */
const FIELD = '└─ ';

/** How a configuration is evaluated. */
export interface EvaluationOptions {
  /** The environment that Prisma would be given. */
  readonly environment: Environment;
  readonly workingDirectory: string;
  readonly signal?: AbortSignal;
  /** Defaults to 20 seconds. */
  readonly deadlineMs?: number;
}

/**
 * Evaluates a Prisma configuration as Prisma does, by Prisma's own loader: in a process of its own, because it is the
 * application's code, which may print, exit, or hang.
 * @throws PgkeepError `PRISMA_CONFIG_INVALID`, `PRISMA_MISSING`; `INTERRUPTED` when `signal` is aborted.
 */
export async function evaluatePrismaConfig(
  file: string,
  { environment, workingDirectory, signal, deadlineMs = DEADLINE_MS }: EvaluationOptions,
): Promise<PrismaConfiguration> {
  const loader = findPrismaConfigLoader(workingDirectory);
  const deadline = AbortSignal.timeout(deadlineMs);
  const leaving = new AbortController();
  const leave = (): void => leaving.abort();
  const argv = [EVALUATION_PROCESS, 'validate', '--config', file, loader.module];
  // After the application's own modules: a pgkeep that is installed elsewhere brings its own Prisma.
  const modules = [environment['NODE_PATH'], loader.modules].filter(Boolean).join(path.delimiter);
  const ending = AbortSignal.any([deadline, leaving.signal, ...(signal === undefined ? [] : [signal])]);
  process.once('exit', leave);
  const running = await startProgram(process.execPath, argv, {
    env: { ...environment, NODE_PATH: modules },
    signal: ending,
  });
  const output = await text(running.stdout);
  const end = await running.ended;
  process.off('exit', leave);
  const answer = answerIn(output);
  if (answer?.kind === 'configured') return answer.configuration;
  if (signal?.aborted === true) throw new PgkeepError('INTERRUPTED', 'Interrupted. Nothing was changed.');
  if (deadline.aborted) throw invalid(file, `it did not end within ${deadlineMs / 1000} seconds`);
  const cause = answer?.message ?? messageOf(new ProgramFailure('it', end));
  throw invalid(file, redactSecrets(cause, environment));
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
