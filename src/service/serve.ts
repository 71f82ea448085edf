import { Logger, Module, type DynamicModule, type OnApplicationShutdown } from '@nestjs/common';
import { LazyModuleLoader, NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { readSettings, type Environment } from '../config/read-settings.js';
import type { Settings } from '../config/settings.js';
import { unknownSettings } from '../config/unknown-settings.js';
import { errorCode, PgkeepError } from '../core/errors.js';
import { PgkeepHttpModule } from '../http/pgkeep-http.module.js';
import { ProblemFilter } from '../http/problem.filter.js';
import { StartupInstall } from '../install/startup-install.service.js';
import { StderrLogger } from '../core/logger.js';
import { assemble, SERVICE_MODULES } from '../assemble.js';
import { ConfigurableModuleClass } from '../config/settings.module.js';
import { CHECK_NAMES } from '../readiness/checks.js';
import { ReadinessMonitor } from '../readiness/readiness-monitor.js';
import { handOverSignals } from '../core/process/early-signals.js';
import { createAdapter } from './fastify-adapter.js';

/** Something that must stop after the HTTP server: the embedded cluster. */
export interface Companion {
  stop(): Promise<void>;
}

/** `PgkeepModule` without what only commands and importing applications use. */
@Module({})
class ServedModule extends ConfigurableModuleClass {
  static override forRoot(settings: Settings): DynamicModule {
    return assemble(super.forRoot(settings), SERVICE_MODULES);
  }
}

/** The service's own application: pgkeep and its HTTP interface. */
@Module({})
export class ServiceModule {
  static with(settings: Settings, companion?: Companion): DynamicModule {
    const shutdown: OnApplicationShutdown = { onApplicationShutdown: async () => await companion?.stop() };
    return {
      module: ServiceModule,
      imports: [ServedModule.forRoot(settings), PgkeepHttpModule],
      providers: [{ provide: 'companion', useValue: shutdown }],
    };
  }
}

/**
 * Starts the service and returns once it listens. The database need not be up.
 * @throws PgkeepError `CONFIG_INVALID`, `PORT_IN_USE`.
 */
export async function serve(
  environment: Environment,
  options: { companion?: Companion; jsonLogs: boolean },
): Promise<{ app: NestFastifyApplication; url: string }> {
  const settings = readSettings(environment, process.cwd(), { checks: CHECK_NAMES });
  const logger = new StderrLogger({ json: options.jsonLogs, logLevels: ['log', 'warn', 'error', 'fatal'] });
  const app = await NestFactory.create<NestFastifyApplication>(
    ServiceModule.with(settings, options.companion),
    createAdapter(),
    { logger, abortOnError: false },
  );
  app.useGlobalFilters(new ProblemFilter());
  app.enableShutdownHooks(['SIGTERM', 'SIGINT', 'SIGHUP']);
  handOverSignals();
  for (const warning of unknownSettings(environment)) new Logger('Settings').warn(warning);
  await listen(app, settings);
  const url = addressOf(app, settings);
  new Logger('Http').log(`listening on ${url}`);
  void beginInBackground(app, settings);
  return { app, url };
}

async function listen(app: NestFastifyApplication, { http }: Settings): Promise<void> {
  try {
    await app.listen(http.port, http.host);
  } catch (cause) {
    await app.close();
    const code = errorCode(cause);
    const reason = code === 'EADDRINUSE' ? 'another program uses that port' : String(code);
    throw new PgkeepError('PORT_IN_USE', `Cannot listen on ${http.host}:${http.port}: ${reason}.`, {
      hint: 'Set PORT (and HOST) to a free address, or stop the other program.',
      cause,
    });
  }
}

/** Returns the configured host (Nest reports 127.0.0.1 for every address) and the port that was assigned. */
function addressOf(app: NestFastifyApplication, { http }: Settings): string {
  const address = app.getHttpServer().address();
  const port = typeof address === 'object' && address !== null ? address.port : http.port;
  return `http://${http.host.includes(':') ? `[${http.host}]` : http.host}:${port}`;
}

/** Installs what is missing, then starts the schedule. The first verdict comes before both: a probe waits for it. */
async function beginInBackground(app: NestFastifyApplication, settings: Settings): Promise<void> {
  await app.get(ReadinessMonitor).refresh();
  // A change in the database must be in the verdict immediately, not a period later.
  if (await app.get(StartupInstall).run()) await app.get(ReadinessMonitor).refresh();
  if (settings.backup.enabled) await keepSchedule(app);
}

/** Loaded only here: the service already listens, and without backups it needs none of this. */
async function keepSchedule(app: NestFastifyApplication): Promise<void> {
  const [{ PgkeepScheduleModule }, { Scheduler }] = await Promise.all([
    import('../scheduler/pgkeep-schedule.module.js'),
    import('../scheduler/scheduler.js'),
  ]);
  const schedule = await app.get(LazyModuleLoader).load(() => PgkeepScheduleModule, { logger: false });
  schedule.get(Scheduler).start();
}
