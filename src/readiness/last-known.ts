import type { ReadinessSettings } from '../config/settings.js';
import type { EnvironmentFacts } from '../environment/environment.types.js';
import type { MigrationsReport } from '../migrations/migrations.types.js';
import type { DatabaseFault } from '../postgres/database-fault.js';
import type { PolicyReport } from '../policy/judge-policy.js';
import type { CheckFault, CheckResult } from './application-checks.js';
import type { AskedFacts, Fact, ServerState, Unconfirmed } from './readiness.types.js';

/** A database that stops for good must make `/ready` fail within two periods. */
const PERIODS = 2;

/** For how long what was last known may stand in for what is unknown. */
export interface Patience {
  /** So many evaluations in a row. */
  readonly misses: number;
  /** In ms, from the beginning of the evaluation that learned it. */
  readonly ageMs: number;
}

/** Why a fact is unknown. */
export type Miss = Pick<Unconfirmed, 'code' | 'text'>;

/** One fact as it was last learned. */
export class LastKnown<T, Fault extends Miss> {
  private last: { readonly value: T; readonly learnedAtMs: number } | undefined;
  private misses = 0;

  constructor(private readonly patience: Patience) {}

  /**
   * Takes what an evaluation learned.
   * @param miss why the fact is unknown; undefined where it is known, be it good or bad
   * @param beganAtMs when the evaluation began, by the monotonic clock
   * @returns the same fact; the last known one where this one is unknown and the patience is not used up.
   */
  take(fact: Fact<T, Fault>, miss: Miss | undefined, beganAtMs: number): Fact<T, Fault> {
    if (!miss) {
      this.misses = 0;
      this.last = 'value' in fact ? { value: fact.value, learnedAtMs: beganAtMs } : undefined;
      return fact;
    }
    this.misses += 1;
    if (!this.last || this.misses > this.patience.misses) return fact;
    const { value, learnedAtMs } = this.last;
    const { code, text } = miss;
    const untilMs = learnedAtMs + this.patience.ageMs;
    return { value, unconfirmed: { code, text, misses: this.misses, of: this.patience.misses, untilMs } };
  }
}

/** What database and application last answered, for the evaluations in which they do not. */
export class LastFacts {
  private readonly server: LastKnown<ServerState, DatabaseFault>;
  private readonly environment: LastKnown<EnvironmentFacts, DatabaseFault>;
  private readonly migrations: LastKnown<MigrationsReport, DatabaseFault>;
  private readonly policy: LastKnown<PolicyReport, DatabaseFault>;
  private readonly application = new Map<string, LastKnown<CheckResult, CheckFault>>();
  private readonly patience: Patience;

  constructor({ failureThreshold, refreshMs }: ReadinessSettings) {
    this.patience = { misses: failureThreshold, ageMs: refreshMs * PERIODS };
    this.server = new LastKnown(this.patience);
    this.environment = new LastKnown(this.patience);
    this.migrations = new LastKnown(this.patience);
    this.policy = new LastKnown(this.patience);
  }

  /** Takes an evaluation's facts, and returns them with what was last known in the place of what is unknown. */
  take({ server, environment, migrations, policy, application }: AskedFacts, beganAtMs: number): AskedFacts {
    return {
      server: this.server.take(server, missOf(server), beganAtMs),
      environment: this.environment.take(environment, missOf(environment), beganAtMs),
      migrations: this.migrations.take(migrations, missOfMigrations(migrations), beganAtMs),
      policy: this.policy.take(policy, missOf(policy), beganAtMs),
      application: Object.fromEntries(
        Object.entries(application).map(([name, fact]) => [
          name,
          this.ofApplication(name).take(fact, missOf(fact), beganAtMs),
        ]),
      ),
    };
  }

  private ofApplication(name: string): LastKnown<CheckResult, CheckFault> {
    const last = this.application.get(name) ?? new LastKnown<CheckResult, CheckFault>(this.patience);
    this.application.set(name, last);
    return last;
  }
}

/** Returns until when facts stand in for unknown ones, by the monotonic clock; undefined where none does. */
export function standInUntil(facts: AskedFacts): number | undefined {
  const ends = factsOf(facts).flatMap(({ unconfirmed }) => unconfirmed?.untilMs ?? []);
  return ends.length > 0 ? Math.min(...ends) : undefined;
}

/** Returns whether everything that was asked was answered, be it with something bad. */
export function areAnswered(facts: AskedFacts): boolean {
  return !missOfMigrations(facts.migrations) && factsOf(facts).every((fact) => !missOf(fact));
}

function factsOf({
  server,
  environment,
  migrations,
  policy,
  application,
}: AskedFacts): Fact<unknown, Miss>[] {
  return [server, environment, migrations, policy, ...Object.values(application)];
}

function missOf(fact: Fact<unknown, Miss>): Miss | undefined {
  return 'reason' in fact && fact.reason.isUnanswered ? fact.reason : undefined;
}

/** A history behind a lock is unknown as well: whoever holds it may be done soon. */
function missOfMigrations(fact: Fact<MigrationsReport, Miss>): Miss | undefined {
  if ('value' in fact && 'fault' in fact.value && fact.value.fault.code === 'MIGRATIONS_LOCKED') {
    return fact.value.fault;
  }
  return missOf(fact);
}
