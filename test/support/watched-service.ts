import { ConsoleLogger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type Environment, readSettings } from '../../src/config/read-settings.js';
import { ProblemFilter } from '../../src/http/problem.js';
import type { CheckView, Verdict } from '../../src/readiness/readiness.types.js';
import { createAdapter, ServiceModule } from '../../src/service/serve.js';
import { secretsOf, Transcript } from './transcript.js';
import { until } from './until.js';

/** Short periods: a verdict follows within two of them, and is stale after three. */
export const PERIOD_MS = 400;
export const DEADLINE_MS = 250;

/** One answer of the service, its body parsed. */
export interface Answer<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body;
  readonly tookMs: number;
}

/** The service in this process on a free loopback port; everything that it prints or answers is kept. */
export class WatchedService {
  private constructor(
    readonly app: NestFastifyApplication,
    readonly url: string,
    readonly transcript: Transcript,
  ) {}

  static async start(environment: Environment): Promise<WatchedService> {
    const transcript = new Transcript(secretsOf(environment));
    const settings = readSettings({
      NODE_ENV: 'test',
      PORT: '0',
      HOST: '127.0.0.1',
      READINESS_REFRESH_MS: String(PERIOD_MS),
      READINESS_TIMEOUT_MS: String(DEADLINE_MS),
      ...environment,
    });
    const app = await NestFactory.create<NestFastifyApplication>(
      ServiceModule.with(settings),
      createAdapter(),
      { logger: new TranscriptLogger(transcript), abortOnError: false },
    );
    app.useGlobalFilters(new ProblemFilter());
    await app.listen(settings.http.port, settings.http.host);
    return new WatchedService(app, await app.getUrl(), transcript);
  }

  async get<Body>(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer<Body>> {
    const started = performance.now();
    const response = await fetch(this.url + path, { headers, signal: AbortSignal.timeout(20_000) });
    const text = await response.text();
    this.transcript.add(text, response.headers);
    const body: Body = JSON.parse(text);
    return {
      status: response.status,
      headers: response.headers,
      body,
      tookMs: performance.now() - started,
    };
  }

  async verdict(): Promise<Verdict> {
    return (await this.get<Verdict>('/ready')).body;
  }

  /** The result of one check in the latest verdict. */
  async check(name: keyof Verdict['checks']): Promise<CheckView> {
    const view = (await this.verdict()).checks[name];
    if (!view) throw new Error(`the verdict holds no check ${name}`);
    return view;
  }

  /** Waits for this verdict. @throws Error after the deadline, with the last verdict. */
  async untilVerdict(status: Verdict['status'], deadlineMs = 10_000): Promise<Verdict> {
    let latest: Verdict | undefined;
    try {
      await until(async () => {
        latest = await this.verdict();
        return latest.status === status;
      }, deadlineMs);
    } catch {
      // Reported below, with the last verdict.
    }
    if (latest?.status !== status) {
      throw new Error(`not ${status} within ${deadlineMs} ms: ${JSON.stringify(latest)}`);
    }
    return latest;
  }

  /** Ends the service. @throws Error if it has shown a secret at any time. */
  async close(): Promise<void> {
    await this.app.close();
    this.transcript.expectNoSecret();
  }
}

/** Runs `work` with a new service, which is closed in any case. */
export async function withService<T>(
  environment: Environment,
  work: (service: WatchedService) => Promise<T>,
): Promise<T> {
  const service = await WatchedService.start(environment);
  try {
    return await work(service);
  } finally {
    await service.close();
  }
}

class TranscriptLogger extends ConsoleLogger {
  constructor(private readonly transcript: Transcript) {
    super({ colors: false });
  }

  protected override printMessages(messages: unknown[], ...rest: unknown[]): void {
    this.transcript.add(...messages, ...rest);
  }

  protected override printStackTrace(stack: unknown): void {
    this.transcript.add(stack);
  }
}
