import { escapeIdentifier } from 'pg';
import type { EnvironmentName } from '../../config/settings.js';
import {
  type EnvironmentFacts,
  sameDatabase,
  type StampReading,
} from '../../environment/environment.types.js';
import { notAsked, outcomeOf } from '../outcome.js';
import type { CheckOutcome, Finding, Known } from '../readiness.types.js';

/** Does this database serve this environment, and only this one? */
export function checkEnvironment(running: EnvironmentName, facts: Known<EnvironmentFacts>): CheckOutcome {
  if ('fault' in facts) return notAsked(facts.fault);
  const { stamp, identity, otherIdentity } = facts.value;
  const failing: Finding[] = [];
  const told: string[] = [];
  const mismatch = stampFinding(running, stamp);
  if (mismatch) failing.push(mismatch);
  if (identity && otherIdentity && sameDatabase(identity, otherIdentity)) {
    failing.push({
      code: 'ENVIRONMENT_SHARED',
      text: 'DATABASE_URL and DATABASE_URL_PROD reach the same database: give each environment a database of its own',
    });
  }
  if (stamp.kind === 'unstamped') told.push(`not stamped: run \`pgkeep stamp ${running}\``);
  if (stamp.kind === 'not-installed') {
    told.push(`not stamped: run \`pgkeep install\`, then \`pgkeep stamp ${running}\``);
  }
  if (stamp.kind === 'stamped' && identity && !sameDatabase(identity, stamp.stamp)) {
    told.push(
      `the stamp was made in another database, of which this is a copy: run \`pgkeep stamp ${running}\` once you know what this copy is for`,
    );
  }
  if (!identity)
    told.push(
      'the role may not execute pg_control_system(), so copies of this database cannot be told from it',
    );
  return outcomeOf(running, { failing, told });
}

function stampFinding(running: EnvironmentName, reading: StampReading): Finding | undefined {
  if (reading.kind === 'unreadable') {
    const role = escapeIdentifier(reading.role);
    return {
      code: 'ENVIRONMENT_UNREADABLE',
      text: `Role ${role} may not read pgkeep.database_environment, so the database's environment is unknown: GRANT USAGE ON SCHEMA pgkeep TO ${role}; GRANT SELECT ON pgkeep.database_environment TO ${role}`,
    };
  }
  if (reading.kind === 'stamped' && reading.stamp.environment !== running) {
    return {
      code: 'ENVIRONMENT_MISMATCH',
      text: `The database is stamped ${reading.stamp.environment}, but this service runs as ${running}: point DATABASE_URL at the ${running} database, or set NODE_ENV=${reading.stamp.environment}`,
    };
  }
  return undefined;
}
