import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Environment } from '../config/read-settings.js';
import { interrupted, PgkeepError } from '../core/errors.js';
import { isText } from '../core/json-guards.js';
import { packageFile } from '../core/package-file.js';
import type { JobRun, JsonObject } from '../jobs/jobs.types.js';
import { type RunContext, toRunError } from '../jobs/perform-run.js';
import type { JobName } from './job-definitions.js';

/** What the service sends to the process of a job, as JSON. The channel is a pipe that only these two can read. */
export type ToJob =
  /** First: what to do, and the environment that the service has read its settings from. */
  | {
      readonly kind: 'perform';
      readonly job: JobName;
      readonly run: Pick<JobRun, 'trigger' | 'parameters'>;
      readonly environment: Environment;
    }
  /** The lease was renewed, or why not. */
  | { readonly kind: 'lease'; readonly request: number; readonly error?: JobError };

/** What the process of a job sends to the service, as JSON. */
export type FromJob =
  /** Every second: the process answers. */
  | { readonly kind: 'alive' }
  /** Asks to renew the lease, immediately before something that cannot be undone. */
  | { readonly kind: 'lease'; readonly request: number }
  | { readonly kind: 'done'; readonly result: JsonObject }
  | { readonly kind: 'failed'; readonly error: JobError };

/** An error whose code is one of pgkeep's. */
type JobError = ReturnType<typeof toRunError>;

type End = Extract<FromJob, { kind: 'done' | 'failed' }>;

/** The built file, also for a caller that runs the sources: Node.js 22.12 runs no TypeScript. */
const PROGRAM = fileURLToPath(packageFile('dist/service/job-process.js'));

/** How long the process may take to end its work before it is killed: less than a shutdown waits for its jobs. */
const GRACE_MS = 8000;
/** A process that sends nothing for this long is killed: it hangs, or was stopped. */
const SILENCE_MS = 60_000;
/** It is checked this often in that time: a pause of this process must not count as the other's silence. */
const CHECKS = 3;

/** How a job is performed in its own process. */
export interface SeparateJob {
  readonly job: JobName;
  readonly environment: Environment;
  readonly context: RunContext;
  /** Defaults to a minute. */
  readonly silenceMs?: number;
}

/**
 * Does the work of a run in its own process, so that it neither delays the answers of this one nor uses its memory. The
 * lease stays here. The process ends with this one, however this one ends; its logs go to this one's stderr.
 * @throws PgkeepError what the work throws; `JOB_PROCESS_ENDED` where the process ended without a result.
 */
export async function performSeparately(separate: SeparateJob): Promise<JsonObject> {
  const { job, environment, context } = separate;
  const { run, signal } = context;
  if (signal.aborted) throw interrupted(`the process of job ${job} was not started`);
  // A separate process group: Ctrl-C reaches the service alone, which then shuts this down.
  const child = fork(PROGRAM, { stdio: ['ignore', 2, 2, 'ipc'], detached: true });
  const closed = once(child, 'close');
  let end: End | undefined;
  let silentChecks = 0;
  child.on('message', (text) => {
    if (!isText(text)) return;
    const message: FromJob = JSON.parse(text);
    silentChecks = 0;
    if (message.kind === 'lease') void answerLease(child, message.request, context);
    else if (message.kind !== 'alive') end = message;
  });
  const silence = setInterval(
    () => {
      silentChecks += 1;
      if (silentChecks > CHECKS) child.kill('SIGKILL');
    },
    (separate.silenceMs ?? SILENCE_MS) / CHECKS,
  );
  const stop = endOnAbort(child, signal);
  try {
    send(child, {
      kind: 'perform',
      job,
      run: { trigger: run.trigger, parameters: run.parameters },
      environment,
    });
    await closed;
    if (end?.kind === 'done') return end.result;
    if (end) throw toError(end.error);
    throw endedEarly(job, child, signal);
  } finally {
    clearInterval(silence);
    stop();
  }
}

async function answerLease(
  child: ChildProcess,
  request: number,
  { requireLease }: RunContext,
): Promise<void> {
  const error = await requireLease().then(() => undefined, toRunError);
  send(child, { kind: 'lease', request, ...(error && { error }) });
}

function send(child: ChildProcess, message: ToJob): void {
  // A process that has ended reads nothing: its end is reported, not this.
  if (child.connected) child.send(JSON.stringify(message), () => undefined);
}

/** Asks the process to end when the signal is aborted, and kills it after the grace period. @returns what stops that. */
function endOnAbort(child: ChildProcess, signal: AbortSignal): () => void {
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    child.kill('SIGTERM');
    timer = setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
  };
  signal.addEventListener('abort', onAbort, { once: true });
  return () => {
    signal.removeEventListener('abort', onAbort);
    clearTimeout(timer);
  };
}

/** Makes the error that the other process has sent. */
export function toError({ code, message, hint }: JobError): PgkeepError {
  return new PgkeepError(code, message, hint === undefined ? {} : { hint });
}

function endedEarly(job: JobName, { exitCode, signalCode }: ChildProcess, signal: AbortSignal): PgkeepError {
  const how = signalCode === null ? `with exit code ${exitCode}` : `by ${signalCode}`;
  const what = `The process of job ${job} ended ${how}`;
  if (signal.aborted) return new PgkeepError('INTERRUPTED', `${what} during the shutdown.`);
  return new PgkeepError('JOB_PROCESS_ENDED', `${what} before its work was done.`, {
    hint: hintFor(signalCode),
  });
}

function hintFor(signal: NodeJS.Signals | null): string {
  if (signal === 'SIGABRT') {
    return 'It reached the limit of Node.js’s memory, as the log shows: NODE_OPTIONS=--max-old-space-size=… sets another.';
  }
  return signal === 'SIGKILL'
    ? 'The system kills a process when memory is short (see its log), and the service kills one that does not answer for a minute.'
    : 'The log shows the last lines of the process.';
}
