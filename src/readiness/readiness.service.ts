import { Inject, Injectable } from '@nestjs/common';
import type { Client } from 'pg';
import type { Gate, Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { Clock } from '../core/clock.js';
import { errorCode } from '../core/errors.js';
import { EnvironmentService } from '../environment/environment.service.js';
import { readDdlGuardSwitch } from '../guard/ddl/ddl-guard-state.js';
import { MigrationsService } from '../migrations/migrations.service.js';
import { databaseFault } from '../postgres/database-fault.js';
import { DatabaseService } from '../postgres/database.service.js';
import type { ReadTimeouts } from '../postgres/read.js';
import { readServerFacts } from '../postgres/server-facts.js';
import { type NewestEvidences, readNewestEvidence } from '../restore/test/evidence.js';
import { PolicyService } from '../policy/policy.service.js';
import { ApplicationChecks } from './application-checks.js';
import { BackupWatch } from './backup-watch.js';
import { DriftWatch } from './drift-watch.js';
import { PrivacyWatch } from './privacy-watch.js';
import { gatesOf, judge } from './judge.js';
import { areAnswered, LastFacts, standInUntil } from './last-known.js';
import type {
  DatabaseFacts,
  Evaluation,
  Fact,
  Facts,
  Judgement,
  NotLearned,
  ServerState,
  Verdict,
} from './readiness.types.js';

/** How long the evidence of restore tests is cached, in ms. */
const EVIDENCE_MS = 30_000;

/** One evaluation of the checks: gathers the facts, then judges them, which is pure. */
@Injectable()
export class ReadinessService {
  private readonly lastFacts: LastFacts;
  private readonly gates: Readonly<Record<string, Gate>>;
  private wasReady = false;
  /** The result of the evaluation before this one. */
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
    private readonly policy: PolicyService,
    private readonly privacy: PrivacyWatch,
    private readonly application: ApplicationChecks,
  ) {
    this.lastFacts = new LastFacts(settings.readiness);
    this.gates = gatesOf(settings.readiness.gates, application.checks);
  }

  /** Evaluates now. Ends within `READINESS_TIMEOUT_MS`; never throws for what the database does. */
  async evaluate(): Promise<Evaluation> {
    const beganAtMs = this.clock.monotonicMs();
    const { facts, isComplete } = await this.gather();
    const now = this.clock.now();
    const lastFacts = { ...facts, ...this.lastFacts.take(facts, beganAtMs) };
    const judgement = this.judge(facts, now);
    const untilMs = standInUntil(lastFacts);
    // What was last known never makes ready what was not.
    const counts = untilMs !== undefined && this.latest === 'ready' && this.clock.monotonicMs() < untilMs;
    const standIn = counts ? { ...this.judge(lastFacts, now), untilMs } : undefined;
    this.latest = (standIn ?? judgement).verdict.status;
    return { ...judgement, facts, isComplete, ...(standIn && { standIn }) };
  }

  private judge(facts: Facts, now: Date): Judgement {
    const { settings, gates, wasReady } = this;
    const judgement = judge({ settings, facts, now }, { gates, wasReady });
    this.wasReady ||= judgement.verdict.status === 'ready';
    return judgement;
  }

  private async gather(): Promise<{ facts: Facts; isComplete: boolean }> {
    const { timeoutMs } = this.settings.readiness;
    const [backups, learned, application] = await Promise.all([
      this.watch.facts(timeoutMs),
      this.ask(timeoutMs),
      this.application.run(timeoutMs),
    ]);
    const facts = {
      ...learned.facts,
      application,
      evidence: this.evidence,
      backups,
      drift: this.drift.facts(),
      privacy: this.privacy.facts(),
    };
    const areBackupsKnown = facts.backups !== undefined || !this.settings.backup.enabled;
    return { facts, isComplete: learned.isComplete && areAnswered(facts) && areBackupsKnown };
  }

  /** Asks the database, one question after the other. What was learned before the deadline is kept. */
  private async ask(timeoutMs: number): Promise<{ facts: DatabaseFacts; isComplete: boolean }> {
    // A lock and a slow statement are each reported as such only if they are noticed before the deadline.
    const timeouts = { statementTimeoutMs: timeoutMs / 2, lockTimeoutMs: timeoutMs / 4 };
    const facts: { -readonly [Name in keyof DatabaseFacts]?: DatabaseFacts[Name] } = {};
    let wasConnected = false;
    let isComplete = true;
    let rest = notLearned(new Error('not asked'));
    try {
      await this.database.probe.use(timeoutMs, async (client) => {
        wasConnected = true;
        facts.server = await learn(this.readServer(client, timeouts));
        facts.migrations = await learn(this.migrations.report(client, timeouts));
        facts.environment = await learn(this.environment.facts(client, timeouts));
        facts.policy = await learn(this.policy.report(client, timeouts, this.clock.monotonicMs()));
        isComplete = await this.readEvidence(client, timeouts);
      });
    } catch (error) {
      rest = notLearned(error, { wasConnected });
      isComplete = !rest.isUnanswered;
    }
    const missing = { reason: rest };
    return {
      facts: { server: missing, environment: missing, migrations: missing, policy: missing, ...facts },
      isComplete,
    };
  }

  /** Reads the facts about the server; those about the DDL guard only where they are judged. */
  private async readServer(client: Client, timeouts: ReadTimeouts): Promise<ServerState> {
    const facts = await readServerFacts(client, timeouts);
    if (this.settings.environment !== 'production') return { ...facts, ddlGuard: undefined };
    return { ...facts, ddlGuard: await readDdlGuardSwitch(client, timeouts) };
  }

  /**
   * Reads the evidence of restore tests, seldom: tests run by the week. What was read stays known while the database
   * does not answer.
   * @returns false where it was not learned.
   */
  private async readEvidence(client: Client, timeouts: ReadTimeouts): Promise<boolean> {
    const isOld = performance.now() - this.evidenceReadAt > EVIDENCE_MS;
    // A test that ended in this process shows immediately.
    if (!isOld && this.watch.askedAt < this.evidenceReadAt) return true;
    const learned = await learn(readNewestEvidence(client, timeouts));
    if ('reason' in learned) return !learned.reason.isUnanswered;
    this.evidence = learned.value;
    this.evidenceReadAt = performance.now();
    return true;
  }
}

/** Codes of Node's for an answer that did not come; a refusal has another one. */
const NO_ANSWER = new Set(['ETIMEDOUT', 'EAI_AGAIN']);

/**
 * Returns what a question to the database was answered, or why it was not.
 * @throws what broke the connection: nothing more can be asked on it.
 */
export async function learn<T>(asking: Promise<T>): Promise<Fact<T>> {
  try {
    return { value: await asking };
  } catch (error) {
    if (databaseFault(error).code === 'DATABASE_UNREACHABLE') throw error;
    return { reason: notLearned(error) };
  }
}

/**
 * Explains why a fact was not learned. When a connection breaks in use, a new one may still succeed, so that fact is
 * unanswered: the next evaluation tries.
 */
export function notLearned(error: unknown, { wasConnected = false } = {}): NotLearned {
  const fault = databaseFault(error);
  const broke = wasConnected && fault.code === 'DATABASE_UNREACHABLE';
  const isUnanswered = broke || fault.code === 'DATABASE_TIMEOUT' || NO_ANSWER.has(errorCode(error) ?? '');
  return { ...fault, isUnanswered };
}
