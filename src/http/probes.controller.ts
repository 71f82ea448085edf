import {
  Controller,
  Get,
  Header,
  Inject,
  type OnApplicationBootstrap,
  Req,
  Res,
  UseFilters,
} from '@nestjs/common';
import type { HealthCheckResult } from '@nestjs/terminus';
import { AccessService } from '../access/access.service.js';
import type { AccessRequest } from '../access/access.types.js';
import type { DetailLevel, Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { ReadinessMonitor } from '../readiness/readiness-monitor.js';
import type { Verdict } from '../readiness/readiness.types.js';
import { ProblemFilter } from './problem.js';
import { answerProbe, prepareBody, type PreparedBody, type ProbeReply, type Reply } from './reply.js';

const ALIVE = prepareBody({ status: 'alive' });

/** The probes: always answered from memory. */
@Controller()
@UseFilters(ProblemFilter)
export class ProbesController implements OnApplicationBootstrap {
  /** The last body, with what it was made from: the same verdict is sent thousands of times. */
  private last:
    { readonly verdict: Verdict; readonly level: DetailLevel; readonly body: PreparedBody } | undefined;
  private readonly anonymousLevel: DetailLevel;

  constructor(
    @Inject(SETTINGS) settings: Settings,
    private readonly monitor: ReadinessMonitor,
    private readonly access: AccessService,
  ) {
    this.anonymousLevel = settings.readiness.details;
  }

  onApplicationBootstrap(): void {
    this.monitor.start();
  }

  /** For liveness probes: uses neither database nor disk, so that a database that is down restarts no pod. */
  @Get('live')
  live(@Res() reply: ProbeReply): void {
    answerProbe(reply, 200, ALIVE);
  }

  /** For readiness probes and uptime monitors: 200 or 503, with the reasons. */
  @Get('ready')
  async ready(@Req() request: AccessRequest, @Res() reply: ProbeReply): Promise<void> {
    const verdict = await this.monitor.verdict();
    answerProbe(reply, verdict.status === 'ready' ? 200 : 503, this.bodyOf(verdict, this.levelFor(request)));
  }

  /** For dashboards: the same verdict in Terminus' format. */
  @Get('health')
  @Header('cache-control', 'no-store')
  async health(@Req() request: AccessRequest, @Res({ passthrough: true }) reply: Reply): Promise<object> {
    const health = await this.monitor.health();
    if (health.status === 'error' || health.status === 'shutting_down') reply.status(503);
    return healthBody(health, this.levelFor(request));
  }

  private levelFor(request: AccessRequest): DetailLevel {
    return this.anonymousLevel === 'always' || this.access.hasToken(request.headers)
      ? 'always'
      : this.anonymousLevel;
  }

  private bodyOf(verdict: Verdict, level: DetailLevel): PreparedBody {
    if (this.last?.verdict !== verdict || this.last.level !== level) {
      this.last = { verdict, level, body: prepareBody(verdictBody(verdict, level)) };
    }
    return this.last.body;
  }
}

/** Returns the body of `/ready` for this caller: everything, codes without texts, or the status alone. */
function verdictBody(verdict: Verdict, level: DetailLevel): object {
  if (level === 'always') return verdict;
  if (level === 'never') return { status: verdict.status };
  return { ...verdict, checks: withoutTexts(verdict.checks) };
}

/** Returns the body of `/health`, reduced in the same way. */
function healthBody(health: HealthCheckResult, level: DetailLevel): object {
  if (level === 'always') return health;
  if (level === 'never') return { status: health.status };
  const { status, info, error, details } = health;
  return { status, info: withoutTexts(info), error: withoutTexts(error), details: withoutTexts(details) };
}

/** Returns every entry without its `details`. */
function withoutTexts(entries: Readonly<Record<string, object | undefined>> = {}): object {
  return Object.fromEntries(
    Object.entries(entries).map(([name, entry]) => [
      name,
      Object.fromEntries(Object.entries(entry ?? {}).filter(([key]) => key !== 'details')),
    ]),
  );
}
