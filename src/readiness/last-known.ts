import type { ReadinessSettings } from '../config/settings.js';
import type { EnvironmentFacts } from '../environment/environment.types.js';
import type { MigrationsReport } from '../migrations/migrations.types.js';
import type { ServerFacts } from '../postgres/server-facts.js';
import type { DatabaseFacts, Known, Unconfirmed } from './readiness.types.js';

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
export class LastKnown<T> {
  private last: { readonly value: T; readonly learnedAtMs: number } | undefined;
  private misses = 0;

  constructor(private readonly patience: Patience) {}

  /**
   * Takes what an evaluation learned.
   * @param miss why the fact is unknown; undefined where it is known, be it good or bad
   * @param beganAtMs when the evaluation began, by the monotonic clock
   * @returns the same fact; the last known one where this one is unknown and the patience is not used up.
   */
  take(fact: Known<T>, miss: Miss | undefined, beganAtMs: number): Known<T> {
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

/** A database that stops for good must make `/ready` say so within two periods. */
const PERIODS = 2;

/** What the database last said, for the evaluations in which it does not answer. */
export class LastFacts {
  private readonly server: LastKnown<ServerFacts>;
  private readonly environment: LastKnown<EnvironmentFacts>;
  private readonly migrations: LastKnown<MigrationsReport>;

  constructor({ failureThreshold, refreshMs }: ReadinessSettings) {
    const patience = { misses: failureThreshold, ageMs: refreshMs * PERIODS };
    this.server = new LastKnown(patience);
    this.environment = new LastKnown(patience);
    this.migrations = new LastKnown(patience);
  }

  /** Takes an evaluation's facts, and returns them with what was last known in the place of what is unknown. */
  take({ server, environment, migrations }: DatabaseFacts, beganAtMs: number): DatabaseFacts {
    return {
      server: this.server.take(server, missOf(server), beganAtMs),
      environment: this.environment.take(environment, missOf(environment), beganAtMs),
      migrations: this.migrations.take(migrations, missOfMigrations(migrations), beganAtMs),
    };
  }
}

/** Until when facts stand in for unknown ones, by the monotonic clock; undefined where none does. */
export function standInUntil({ server, environment, migrations }: DatabaseFacts): number | undefined {
  const ends = [server, environment, migrations].flatMap((fact) =>
    'unconfirmed' in fact && fact.unconfirmed ? [fact.unconfirmed.untilMs] : [],
  );
  return ends.length > 0 ? Math.min(...ends) : undefined;
}

/** Whether everything that was asked of the database was answered, be it with something bad. */
export function areAnswered({ server, environment, migrations }: DatabaseFacts): boolean {
  return !missOf(server) && !missOf(environment) && !missOfMigrations(migrations);
}

function missOf(fact: Known<unknown>): Miss | undefined {
  return 'fault' in fact && fact.isUnknown ? fact.fault : undefined;
}

/** A history behind a lock is unknown as well: whoever holds it may be done soon. */
function missOfMigrations(fact: Known<MigrationsReport>): Miss | undefined {
  if ('value' in fact && 'fault' in fact.value && fact.value.fault.code === 'MIGRATIONS_LOCKED') {
    return fact.value.fault;
  }
  return missOf(fact);
}
