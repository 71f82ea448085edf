import { Injectable } from '@nestjs/common';
import { escapeIdentifier } from 'pg';
import type { EnvironmentName } from '../../config/settings.js';
import { sameDatabase, stampGrants, type StampReading } from '../../environment/environment.types.js';
import type { DatabaseFaultCode } from '../../postgres/database-fault.js';
import {
  defineCheck,
  outcomeOf,
  outcomeWithoutFacts,
  type CheckContext,
  type CheckOutcome,
  type CodeText,
  type Finding,
} from '../check.js';
import { CheckHealthIndicator } from '../health-indicator.js';

const CODES = {
  ENVIRONMENT_MISMATCH: {
    meaning: 'The database is stamped for another environment than `NODE_ENV`.',
    remedy:
      'Correct `DATABASE_URL` or `NODE_ENV`, or re-stamp a copy: `pgkeep stamp ENV --replace --target NAME`.',
  },
  ENVIRONMENT_SHARED: {
    meaning: '`DATABASE_URL` and `DATABASE_URL_PROD` lead to the same database.',
    remedy: 'Give each environment its own database.',
  },
  ENVIRONMENT_UNREADABLE: {
    meaning: 'The role may not read the stamp, so the environment of the database is not known.',
    remedy: 'Give the two grants in the text.',
  },
} as const satisfies Record<string, CodeText>;

type Code = keyof typeof CODES;

/** Reports the check `environment` in an application's own health check. */
@Injectable()
export class EnvironmentHealthIndicator extends CheckHealthIndicator {
  readonly name = 'environment';
}

export const environment = defineCheck({
  name: 'environment',
  question: 'Is this the database of this environment?',
  gate: 'enforce',
  restsOn: 'environment',
  codes: CODES,
  notes: `The database carries a stamp, written by \`pgkeep stamp ENV\`. A service that runs as production stamps an
unstamped database itself. A database is identified by its system identifier and oid, whatever host name or pooler
leads to it.`,
  indicator: EnvironmentHealthIndicator,
  judge,
});

function judge({ settings, facts }: CheckContext): CheckOutcome<Code | DatabaseFaultCode> {
  if ('reason' in facts.environment) return outcomeWithoutFacts(facts.environment.reason);
  const running = settings.environment;
  const { stamp, identity, otherIdentity } = facts.environment.value;
  const failing: Finding<Code>[] = [];
  const notes: string[] = [];
  const mismatch = stampFinding(running, stamp);
  if (mismatch) failing.push(mismatch);
  if (identity && otherIdentity && sameDatabase(identity, otherIdentity)) {
    failing.push({
      code: 'ENVIRONMENT_SHARED',
      text: 'DATABASE_URL and DATABASE_URL_PROD lead to the same database: give each environment its own database',
    });
  }
  if (stamp.kind === 'unstamped') notes.push(`not stamped: run \`pgkeep stamp ${running}\``);
  if (stamp.kind === 'not-installed') {
    notes.push(`not stamped: run \`pgkeep install\`, then \`pgkeep stamp ${running}\``);
  }
  if (stamp.kind === 'stamped' && identity && !sameDatabase(identity, stamp.stamp)) {
    notes.push(
      `the stamp was written in another database, so this one is a copy: run \`pgkeep stamp ${running}\` once you know what the copy is for`,
    );
  }
  if (!identity) {
    notes.push(
      'the role may not execute pg_control_system(), so a copy of this database would not be noticed',
    );
  }
  return outcomeOf(running, { failing, notes });
}

function stampFinding(running: EnvironmentName, reading: StampReading): Finding<Code> | undefined {
  if (reading.kind === 'unreadable') {
    const role = escapeIdentifier(reading.role);
    return {
      code: 'ENVIRONMENT_UNREADABLE',
      text: `Role ${role} may not read pgkeep.database_environment, so the database's environment is unknown: ${stampGrants(role)}`,
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
