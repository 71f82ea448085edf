import type { ReadinessSettings } from '../config/settings.js';
import type { ServerFacts } from '../postgres/server-facts.js';
import type { EnvironmentFacts } from '../environment/environment.types.js';
import type { MigrationsReport } from '../migrations/migrations.types.js';
import { LastKnown, type Miss } from './last-known.js';
import type { DatabaseFacts, Known } from './readiness.types.js';

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
