import type { EnvironmentName } from '../../config/settings.js';
import { sameDatabase, stampGrants } from '../../environment/environment.types.js';
import type { Facts, Target, Verdict } from './guard.types.js';
import type { PrismaCommand } from './prisma-command.js';

/** How much the loss of a database matters, by environment. */
const IMPORTANCE: Readonly<Record<EnvironmentName, number>> = {
  test: 0,
  development: 1,
  staging: 2,
  production: 3,
};

const ALLOW: Verdict = { verdict: 'allow' };

/** Whether a decision on this command depends on the database: others are allowed without connecting. */
export function needsDatabase({ effect, usesShadow }: PrismaCommand, environment: EnvironmentName): boolean {
  if (effect === 'nothing') return false;
  if (effect === 'deploy') return environment === 'test';
  return effect !== 'read' || usesShadow;
}

/** Decides on one Prisma command. Pure: the same facts give the same verdict. */
export function decide(facts: Facts): Verdict {
  if (!needsDatabase(facts.command, facts.environment)) return ALLOW;
  for (const target of facts.targets) {
    const why = target.use === 'shadow' ? shadowFault(target, facts) : datasourceFault(target, facts);
    if (why) return refusal(target, why, facts);
  }
  return ALLOW;
}

interface Fault {
  readonly text: string;
  /** Defaults to the command's own. */
  readonly remedy?: string;
}

function datasourceFault(target: Target, facts: Facts): Fault | undefined {
  const { effect } = facts.command;
  if (effect === 'read') return undefined;
  if (effect === 'deploy') return testSuiteFault(target, facts);
  if (effect === 'execute' && facts.sql?.kind === 'harmless') return testSuiteFault(target, facts);
  const fault = productionFault(target, facts);
  if (effect === 'unknown') {
    return fault && { ...fault, text: `${fault.text}, and pgkeep does not know what this command does` };
  }
  if (fault) return withSql(fault, facts);
  return withSql(unknownStampFault(target) ?? environmentFault(target, facts), facts);
}

/** Returns a fault if the database is production: by its stamp, by the settings, or because it cannot be ruled out. */
function productionFault(target: Target, { environment, what }: Facts): Fault | undefined {
  const { stamp, productionBy, identity } = target;
  if (stamp.kind === 'stamped' && stamp.stamp.environment === 'production') {
    if (identity && !sameDatabase(identity, stamp.stamp)) return copyFault(target, 'production', environment);
    const isClear = environment === 'production' || what !== undefined;
    const shell = isClear ? '' : ` (NODE_ENV is ${environment})`;
    return { text: `is stamped production${shell}` };
  }
  const unasked = stamp.kind === 'not-read' ? `; its stamp cannot be read: ${stamp.cause}` : '';
  if (productionBy !== undefined) return { text: `is production according to ${productionBy}${unasked}` };
  // A production database that does not exist yet is created by `migrate deploy`.
  if (environment === 'production') return { text: `is production according to NODE_ENV${unasked}` };
  return undefined;
}

function copyFault({ database }: Target, stamped: EnvironmentName, environment: EnvironmentName): Fault {
  const to = environment === 'production' ? 'staging' : environment;
  return {
    text: `is a copy: it carries the stamp of the ${stamped} database that it was copied from`,
    remedy: `If you may change this copy, stamp it for what it is used for: \`pgkeep stamp ${to} --replace --target ${database}\`. Then try again.`,
  };
}

function unknownStampFault({ stamp }: Target): Fault | undefined {
  if (stamp.kind === 'unreadable') {
    return {
      text: `may be production: role "${stamp.role}" cannot read its stamp`,
      remedy: `Grant the role access: ${stampGrants(`"${stamp.role}"`)};`,
    };
  }
  if (stamp.kind !== 'not-read' || stamp.isOutOfReach) return undefined;
  return {
    text: `may be production: its stamp cannot be read: ${stamp.cause}`,
    remedy: 'Make sure that `npx pgkeep ping` reaches the database by this URL, then try again.',
  };
}

/** Returns a fault if the database serves a more important environment. */
function environmentFault(
  target: Target,
  { command, environment, dbPushAllowed, what }: Facts,
): Fault | undefined {
  const { stamp, identity } = target;
  if (stamp.kind !== 'stamped') return undefined;
  const { environment: stamped } = stamp.stamp;
  if (IMPORTANCE[stamped] > IMPORTANCE[environment]) {
    if (identity && !sameDatabase(identity, stamp.stamp)) return copyFault(target, stamped, environment);
    return {
      text: `is stamped ${stamped}${what === undefined ? `, and NODE_ENV is ${environment}` : ''}`,
      remedy: `Use a separate database for ${environment}. If ${stamped} is intended, set NODE_ENV=${stamped}.`,
    };
  }
  if (command.name === 'db push' && stamped === 'staging' && !dbPushAllowed) {
    return {
      text: 'is stamped staging, and PRISMA_DB_PUSH_ALLOWED is not true',
      remedy: DEPLOY_AS_IN_PRODUCTION,
    };
  }
  return undefined;
}

/** Returns a fault for a test suite, which may not even deploy to another environment's database. */
function testSuiteFault({ stamp, productionBy }: Target, { environment }: Facts): Fault | undefined {
  if (environment !== 'test') return undefined;
  const remedy = 'Use a separate database for the test suite.';
  if (stamp.kind === 'stamped' && IMPORTANCE[stamp.stamp.environment] > IMPORTANCE.test) {
    return { text: `is stamped ${stamp.stamp.environment}, and NODE_ENV is test`, remedy };
  }
  if (productionBy === undefined) return undefined;
  return { text: `is production according to ${productionBy}, and NODE_ENV is test`, remedy };
}

/** Returns a fault for a shadow database, in which Prisma drops everything. */
function shadowFault({ stamp, productionBy, identity }: Target, { targets }: Facts): Fault | undefined {
  const remedy = 'Set shadowDatabaseUrl to a separate, empty database, or omit it.';
  if (stamp.kind === 'stamped') {
    return {
      text: `would be emptied as the shadow database, and is stamped ${stamp.stamp.environment}`,
      remedy,
    };
  }
  if (productionBy !== undefined) {
    return {
      text: `would be emptied as the shadow database, and is production according to ${productionBy}`,
      remedy,
    };
  }
  const isMain = targets.some(
    (other) =>
      other.use === 'datasource' && other.identity && identity && sameDatabase(other.identity, identity),
  );
  if (isMain)
    return { text: 'would be emptied as the shadow database, and is the datasource itself', remedy };
  return undefined;
}

function withSql(fault: Fault | undefined, { sql }: Facts): Fault | undefined {
  if (!fault || !sql) return fault;
  if (sql.kind === 'destructive') {
    return { ...fault, text: `${fault.text}, and line ${sql.line} of the script is ${sql.what}` };
  }
  return sql.kind === 'unread' ? { ...fault, text: `${fault.text}, and ${sql.why}` } : fault;
}

function refusal(target: Target, { text, remedy }: Fault, { command, what }: Facts): Verdict {
  return {
    verdict: 'refuse',
    reason: `Refused to run ${what ?? `\`prisma ${command.name}\``}: database "${target.database}" (${target.where}) ${text}. Nothing was touched.`,
    remedy: remedy ?? remedyFor(command.name),
    target,
  };
}

/** How a change reaches production. */
const DEPLOY = '`pgkeep migrate deploy`';

const REMEDIES: Readonly<Record<string, string>> = {
  'migrate dev': `Write the migration on a development database, then apply it here: ${DEPLOY}.`,
  'migrate reset':
    'Production is never reset. To go back to an earlier state, restore a backup: `pgkeep restore --list`.',
  'db push': `Write a migration on a development database (\`npx prisma migrate dev\`), then apply it here: ${DEPLOY}.`,
  'db seed': `Seed only development and test databases. Add rows that production needs with a migration: ${DEPLOY}.`,
  'db execute': `Put the statements into a migration, which is reviewed, backed up and recorded: ${DEPLOY}.`,
  studio: 'Open Studio on a development database, or on a restored copy with its own stamp.',
};

/** Returns what to do instead of a command that is refused on production. */
function remedyFor(commandName: string): string {
  return (
    REMEDIES[commandName] ??
    `Run it on a development database, and bring its changes here with a migration: ${DEPLOY}.`
  );
}

/** What to do instead of `db push` on staging. */
const DEPLOY_AS_IN_PRODUCTION = `Make the change with a migration, as in production: ${DEPLOY}.`;
