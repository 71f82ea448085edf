/**
 * The process in which the service runs one job: `performSeparately` starts it and talks to it. It ends when the job is
 * done, when it is asked to (SIGTERM), and when the service has ended in any way.
 */
import { writeFileSync } from 'node:fs';
import { Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { assemble } from '../assemble.js';
import { readSettings } from '../config/read-settings.js';
import { ConfigurableModuleClass } from '../config/settings.module.js';
import type { Settings } from '../config/settings.js';
import { interrupted, PgkeepError } from '../core/errors.js';
import { StderrLogger } from '../core/logger.js';
import { toRunError } from '../jobs/perform-run.js';
import { JobWorkModule } from '../maintenance/maintenance.module.js';
import { JobWork } from '../maintenance/running-jobs.js';
import { type FromJob, toError, type ToJob } from '../maintenance/separate-job.js';
import { CHECK_NAMES } from '../readiness/checks.js';

const ALIVE_MS = 1000;
/** How long the work may take to end. */
const GRACE_MS = 8000;

/** What the work of the jobs needs. */
@Module({})
class JobModule extends ConfigurableModuleClass {
  static override forRoot(settings: Settings): DynamicModule {
    return assemble(super.forRoot(settings), [JobWorkModule]);
  }
}

const stop = new AbortController();
let requests = 0;
/** What waits for the service’s answer, by the number of its request. */
const leases = new Map<number, (error: PgkeepError | undefined) => void>();

async function send(message: FromJob): Promise<void> {
  await new Promise<void>((resolve) => {
    // Where the channel is closed, the service has ended: 'disconnect' ends this process too.
    if (process.connected && process.send)
      process.send(JSON.stringify(message), undefined, {}, () => resolve());
    else resolve();
  });
}

/** Has the service renew the lease. @throws PgkeepError `JOB_LEASE_LOST`, `DATABASE_…`; `INTERRUPTED` where it has ended. */
async function requireLease(): Promise<void> {
  requests += 1;
  const request = requests;
  const answer = new Promise<PgkeepError | undefined>((resolve) => leases.set(request, resolve));
  await send({ kind: 'lease', request });
  if (!process.connected) throw interrupted('the service has ended');
  const error = await answer;
  leases.delete(request);
  if (error) throw error;
}

async function perform({ job, run, environment }: Extract<ToJob, { kind: 'perform' }>): Promise<void> {
  const settings = readSettings(environment, process.cwd(), { checks: CHECK_NAMES });
  const logger = new StderrLogger({
    json: !process.stderr.isTTY,
    logLevels: ['log', 'warn', 'error', 'fatal'],
  });
  const app = await NestFactory.createApplicationContext(JobModule.forRoot(settings), {
    logger,
    abortOnError: false,
  });
  try {
    const { signal } = stop;
    await send({ kind: 'done', result: await app.get(JobWork).perform(job, { run, signal, requireLease }) });
  } finally {
    await app.close();
  }
}

/** Makes this the process that the system ends first when memory is short, and not the service. */
function volunteer(): void {
  try {
    writeFileSync('/proc/self/oom_score_adj', '1000');
  } catch {
    // Only Linux has it.
  }
}

/** Ends the work, and then the process. */
function end(): void {
  stop.abort();
  setTimeout(() => process.exit(1), GRACE_MS);
}

volunteer();
process.on('SIGTERM', end);
process.on('disconnect', () => {
  end();
  for (const answer of leases.values()) answer(interrupted('the service has ended'));
});
process.on('message', (text) => {
  if (typeof text !== 'string') return;
  const message: ToJob = JSON.parse(text);
  if (message.kind === 'lease') {
    leases.get(message.request)?.(message.error && toError(message.error));
    return;
  }
  void perform(message)
    .catch(async (error: unknown) => await send({ kind: 'failed', error: toRunError(error) }))
    // A connection or a timer that is left must not keep the process.
    .finally(() => process.exit());
});
setInterval(() => void send({ kind: 'alive' }), ALIVE_MS);
// The service has ended while this process loaded its modules.
if (!process.connected) process.exit(1);
