import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import {
  type BeforeApplicationShutdown,
  type DynamicModule,
  Injectable,
  Logger,
  Module,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { LazyModuleLoader, NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { assemble, SERVICE_MODULES } from '../assemble.js';
import { type Environment, readSettings } from '../config/read-settings.js';
import { unknownSettings } from '../config/settings-list.js';
import { ConfigurableModuleClass } from '../config/settings.module.js';
import type { Settings } from '../config/settings.js';
import { errorCode, PgkeepError } from '../core/errors.js';
import { StderrLogger } from '../core/logger.js';
import { handOverSignals } from '../core/process/early-signals.js';
import { PgkeepDashboardModule } from '../dashboard/dashboard.module.js';
import { PgkeepHttpModule } from '../http/pgkeep-http.module.js';
import { problem, ProblemFilter, problemOf } from '../http/problem.js';
import { StartupInstall } from '../install/install.service.js';
import { SeparateJobsModule } from '../maintenance/maintenance.module.js';
import { CHECK_NAMES } from '../readiness/checks.js';
import { ReadinessMonitor } from '../readiness/readiness-monitor.js';

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

/** What starts after the first verdict. Nest calls no hook of a module that is loaded later, so it ends here. */
@Injectable()
class BackgroundWork implements BeforeApplicationShutdown {
  private readonly started: BeforeApplicationShutdown[] = [];
  private isStopping = false;

  /** Starts work that ends before the database's connections do; not while the service stops. */
  start(work: BeforeApplicationShutdown & { start(): void }): void {
    if (this.isStopping) return;
    this.started.push(work);
    work.start();
  }

  async beforeApplicationShutdown(signal?: string): Promise<void> {
    this.isStopping = true;
    await Promise.all(this.started.map((work) => work.beforeApplicationShutdown(signal)));
  }
}

/** The service's own application: pgkeep and its HTTP interface. */
@Module({})
export class ServiceModule {
  /** @param environment what the settings were read from: jobs then run in their own process */
  static with(
    settings: Settings,
    { companion, environment }: { companion?: Companion | undefined; environment?: Environment } = {},
  ): DynamicModule {
    const shutdown: OnApplicationShutdown = { onApplicationShutdown: async () => await companion?.stop() };
    return {
      module: ServiceModule,
      imports: [
        ServedModule.forRoot(settings),
        PgkeepHttpModule,
        PgkeepDashboardModule,
        ...(environment ? [SeparateJobsModule.of(environment)] : []),
      ],
      providers: [BackgroundWork, { provide: 'companion', useValue: shutdown }],
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
    ServiceModule.with(settings, { companion: options.companion, environment }),
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

/** Installs what is missing, then starts the schedule and monitoring. The first verdict comes before both: a probe waits for it. */
async function beginInBackground(app: NestFastifyApplication, settings: Settings): Promise<void> {
  await app.get(ReadinessMonitor).refresh();
  // A change in the database must be in the verdict immediately, not a period later.
  if (await app.get(StartupInstall).run()) await app.get(ReadinessMonitor).refresh();
  if (settings.backup.enabled) await keepSchedule(app);
  if (settings.monitoring.enabled) await startMonitoring(app);
}

/** Loaded only here, as the schedule is. */
async function startMonitoring(app: NestFastifyApplication): Promise<void> {
  const [{ MonitoringModule }, { MonitorWatch }, { AlertsModule }, { AlertWatch }] = await Promise.all([
    import('../monitoring/monitoring.module.js'),
    import('../monitoring/watch/monitor-watch.js'),
    import('../alerts/alerts.module.js'),
    import('../alerts/alert-watch.js'),
  ]);
  const modules = app.get(LazyModuleLoader);
  const monitoring = await modules.load(() => MonitoringModule, { logger: false });
  const alerts = await modules.load(() => AlertsModule, { logger: false });
  // Before the first sample: it may be the one that finds something.
  const work = app.get(BackgroundWork);
  work.start(alerts.get(AlertWatch));
  work.start(monitoring.get(MonitorWatch));
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

/** No route reads a larger body; a slower request is cut off. */
const LIMITS = { bodyLimit: 65_536, requestTimeout: 10_000 } as const;

/**
 * Fastify's compilers for the schemas of routes. Nest's routes have none, and loading the compilers (Ajv among them, 100
 * files) costs every start 18 ms of CPU time on Node.js 24 and 28 ms on Node.js 20.
 */
const NO_SCHEMAS = { buildValidator: refuseSchema, buildSerializer: refuseSchema } as const;

/** Creates Fastify with limits, and with pgkeep's error format for requests that do not parse as HTTP. */
export function createAdapter(): FastifyAdapter {
  const adapter = new FastifyAdapter({
    ...LIMITS,
    clientErrorHandler: answerBrokenRequest,
    frameworkErrors: answerBadUrl,
    schemaController: { compilersFactory: NO_SCHEMAS },
  });
  const server: Server = adapter.getHttpServer();
  const hangUp = hangUpOnClose(server);
  adapter.getInstance().addHook('preClose', (done) => {
    hangUp();
    done();
  });
  return adapter;
}

function refuseSchema(): never {
  throw new Error('A route declares a Fastify schema, and the compilers for schemas are not loaded');
}

/** Answers a path that cannot be decoded: it reaches no route, so no filter of Nest's. */
function answerBadUrl(error: unknown, _request: unknown, { raw }: { raw: ServerResponse }): void {
  const answer = problemOf(error);
  raw
    .writeHead(answer.status, {
      'content-type': 'application/problem+json; charset=utf-8',
      'cache-control': 'no-store',
    })
    .end(JSON.stringify(answer));
}

function answerBrokenRequest(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return;
  const status =
    error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const answer = problem(status, 'REQUEST_REFUSED', 'The request is not valid HTTP.');
  const body = JSON.stringify(answer);
  socket.end(
    [
      `HTTP/1.1 ${status} ${answer.title}`,
      'content-type: application/problem+json; charset=utf-8',
      'cache-control: no-store',
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}

/**
 * Closes connections when the server closes. Node.js's server waits for every connection that is not idle: for a client
 * that never finishes its request, and for the keep-alive time of one that was just answered.
 * @returns what to call on closing: it ends connections without a request, and the others after their answer.
 */
function hangUpOnClose(server: Server): () => void {
  const open = new Set<Socket>();
  const answering = new Set<Socket>();
  let closing = false;
  server.on('connection', (socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
  });
  server.on('request', ({ socket }, response) => {
    answering.add(socket);
    response.once('close', () => {
      answering.delete(socket);
      if (closing) socket.end();
    });
  });
  return () => {
    closing = true;
    for (const socket of open) if (!answering.has(socket)) socket.destroy();
  };
}
