import { Inject, Injectable, ServiceUnavailableException } from '@nestjs/common';
import { type HealthCheckResult, HealthCheckService, HealthIndicatorService } from '@nestjs/terminus';
import type { Client } from 'pg';
import { CHECK_NAMES, type CheckName, type Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { Clock } from '../core/clock.js';
import { EnvironmentService } from '../environment/environment.service.js';
import { MigrationsService } from '../migrations/migrations.service.js';
import { DatabaseService } from '../postgres/database.service.js';
import type { ReadTimeouts } from '../postgres/read.js';
import { readServerFacts } from '../postgres/server-facts.js';
import { type NewestEvidences, readNewestEvidence } from '../restore/test/newest-evidence.js';
import { BackupWatch } from './backup-watch.js';
import { DriftWatch } from './drift-watch.js';
import { blocks, checksOf, runCheck } from './judge.js';
import { known, notKnown } from './known.js';
import { areAnswered, LastFacts, standInUntil } from './last-known.js';
import type { CheckView, DatabaseFacts, Evaluation, Facts, Judgement, Verdict } from './readiness.types.js';

/** How long the evidence of restore tests is believed, in ms. */
const EVIDENCE_MS = 30_000;

/** One evaluation of the checks: facts from the database, then pure judgement, by way of Terminus. */
@Injectable()
export class ReadinessService {
  private readonly lastFacts: LastFacts;
  private wasReady = false;
  /** What the evaluation before this one came to. */
  private latest: Verdict['status'] = 'not_ready';
  private evidence: NewestEvidences | undefined;
  private evidenceReadAt = -Infinity;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly database: DatabaseService,
    private readonly environment: EnvironmentService,
    private readonly migrations: MigrationsService,
    private readonly watch: BackupWatch,
    private readonly drift: DriftWatch,
    private readonly terminus: HealthCheckService,
    private readonly indicators: HealthIndicatorService,
  ) {
    this.lastFacts = new LastFacts(settings.readiness);
  }

  /** Evaluates now. Ends within `READINESS_TIMEOUT_MS`; never throws for what the database does. */
  async evaluate(): Promise<Evaluation> {
    const beganAtMs = this.clock.monotonicMs();
    const { facts, isComplete } = await this.gather();
    const now = this.clock.now();
    const lastFacts = { ...facts, ...this.lastFacts.take(facts, beganAtMs) };
    const untilMs = standInUntil(lastFacts);
    const judgement = await this.judge(facts, now);
    // What was last known never makes ready what was not.
    const counts = untilMs !== undefined && this.latest === 'ready' && this.clock.monotonicMs() < untilMs;
    const standIn = counts ? { ...(await this.judge(lastFacts, now)), untilMs } : undefined;
    this.latest = (standIn ?? judgement).verdict.status;
    return { ...judgement, isComplete, ...(standIn && { standIn }) };
  }

  private async judge(facts: Facts, now: Date): Promise<Judgement> {
    const checks = checksOf(this.settings, facts, now);
    const views: Partial<Record<CheckName, CheckView>> = {};
    for (const name of CHECK_NAMES) {
      const outcome = runCheck(checks[name]);
      views[name] = outcome.ok ? outcome : { ...outcome, gate: this.settings.readiness.gates[name] };
    }
    const blocked = Object.values(views).some((view) => blocks(view, this.wasReady));
    const health = await this.healthOf(views);
    this.wasReady ||= !blocked;
    const verdict: Verdict = {
      status: blocked ? 'not_ready' : 'ready',
      checks: views,
      evaluatedAt: now.toISOString(),
    };
    return { verdict, health };
  }

  private async gather(): Promise<{ facts: Facts; isComplete: boolean }> {
    const { timeoutMs } = this.settings.readiness;
    const backups = this.watch.facts(timeoutMs);
    const learned = await this.ask(timeoutMs);
    const facts = {
      ...learned.facts,
      evidence: this.evidence,
      backups: await backups,
      drift: this.drift.facts(),
    };
    const areBackupsKnown = facts.backups !== undefined || !this.settings.backup.enabled;
    return { facts, isComplete: learned.isComplete && areAnswered(facts) && areBackupsKnown };
  }

  /** Asks the database, one question after the other. What was learned before the deadline is kept. */
  private async ask(timeoutMs: number): Promise<{ facts: DatabaseFacts; isComplete: boolean }> {
    // A lock and a slow statement are each told as such only if they are noticed before the deadline.
    const timeouts = { statementTimeoutMs: timeoutMs / 2, lockTimeoutMs: timeoutMs / 4 };
    const facts: { -readonly [Name in keyof DatabaseFacts]?: DatabaseFacts[Name] } = {};
    let wasConnected = false;
    let isComplete = true;
    let rest = notKnown(new Error('not asked'));
    try {
      await this.database.probe.use(timeoutMs, async (client) => {
        wasConnected = true;
        facts.server = await known(readServerFacts(client, timeouts));
        facts.migrations = await known(this.migrations.report(client, timeouts));
        facts.environment = await known(this.environment.facts(client, timeouts));
        isComplete = await this.readEvidence(client, timeouts);
      });
    } catch (error) {
      rest = notKnown(error, { wasConnected });
      isComplete = !rest.isUnknown;
    }
    return { facts: { server: rest, environment: rest, migrations: rest, ...facts }, isComplete };
  }

  /**
   * Once in a while, since tests come by the week. What was known stays known while the database is away.
   * @returns false where it was not learned.
   */
  private async readEvidence(client: Client, timeouts: ReadTimeouts): Promise<boolean> {
    const isOld = performance.now() - this.evidenceReadAt > EVIDENCE_MS;
    // A test that ended in this process shows at once.
    if (!isOld && this.watch.askedAt < this.evidenceReadAt) return true;
    const learned = await known(readNewestEvidence(client, timeouts));
    if ('fault' in learned) return !learned.isUnknown;
    this.evidence = learned.value;
    this.evidenceReadAt = performance.now();
    return true;
  }

  /** Terminus' own verdict: a check that fails behind a gate that lets it pass is `degraded`. */
  private async healthOf(views: Partial<Record<CheckName, CheckView>>): Promise<HealthCheckResult> {
    const indicators = Object.entries(views).map(([name, view]) => () => {
      const indicator = this.indicators.check(name);
      const { ok, ...shown } = view;
      if (ok) return indicator.up(shown);
      return blocks(view, this.wasReady) ? indicator.down(shown) : indicator.degraded(shown);
    });
    try {
      return await this.terminus.check(indicators);
    } catch (error) {
      // Terminus tells a failing verdict by throwing what would be the answer.
      const response = error instanceof ServiceUnavailableException ? error.getResponse() : undefined;
      if (isHealthCheckResult(response)) return response;
      throw error;
    }
  }
}

function isHealthCheckResult(response: unknown): response is HealthCheckResult {
  return typeof response === 'object' && response !== null && 'details' in response && 'status' in response;
}
