import type { EnvironmentName } from '../../config/settings.js';
import { sameDatabase, stampGrants } from '../../environment/environment.types.js';
import type { Facts, Target, Verdict } from './guard.types.js';
import type { PrismaCommand } from './prisma-command.js';

/** What would be lost with it, from nothing to everything. */
const WORTH: Readonly<Record<EnvironmentName, number>> = {
  test: 0,
  development: 1,
  staging: 2,
  production: 3,
};

const ALLOW: Verdict = { verdict: 'allow' };

/** Whether a decision on this command rests on the database: all others are allowed without connecting. */
export function needsDatabase({ effect, usesShadow }: PrismaCommand, environment: EnvironmentName): boolean {
  if (effect === 'nothing') return false;
  if (effect === 'deploy') return environment === 'test';
  return effect !== 'read' || usesShadow;
}

/** Decides on one command of Prisma's. Pure: the same facts, the same verdict, whatever way in asked. */
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
  /** Where it is not the command's own. */
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
  return withSql(ignoranceFault(target) ?? environmentFault(target, facts), facts);
}

/** Production, by its own word, by what the settings say, or because nobody can tell that it is not. */
function productionFault(target: Target, { environment, what }: Facts): Fault | undefined {
  const { stamp, productionBy, identity } = target;
  if (stamp.kind === 'stamped' && stamp.stamp.environment === 'production') {
    if (identity && !sameDatabase(identity, stamp.stamp)) return copyFault(target, 'production', environment);
    const isClear = environment === 'production' || what !== undefined;
    const shell = isClear ? '' : `, whatever NODE_ENV says (${environment})`;
    return { text: `is stamped production${shell}` };
  }
  const unasked = stamp.kind === 'not-asked' ? `; its stamp cannot be read: ${stamp.cause}` : '';
  if (productionBy !== undefined) return { text: `is production’s, by ${productionBy}${unasked}` };
  // A production that does not exist yet is made by `migrate deploy`, too.
  if (environment === 'production') return { text: `is production’s, by NODE_ENV${unasked}` };
  return undefined;
}

function copyFault({ database }: Target, stamped: EnvironmentName, environment: EnvironmentName): Fault {
  const to = environment === 'production' ? 'staging' : environment;
  return {
    text: `is a copy: it carries the stamp of the ${stamped} database that it was copied from`,
    remedy: `If this copy is yours to change, say what it is for: \`pgkeep stamp ${to} --replace --target ${database}\`. Then try again.`,
  };
}

function ignoranceFault({ stamp }: Target): Fault | undefined {
  if (stamp.kind === 'unreadable') {
    return {
      text: `may be production’s: role "${stamp.role}" may not read its stamp`,
      remedy: `Give the role the grants: ${stampGrants(`"${stamp.role}"`)};`,
    };
  }
  if (stamp.kind !== 'not-asked' || stamp.isOutOfReach) return undefined;
  return {
    text: `may be production’s: its stamp cannot be read: ${stamp.cause}`,
    remedy: 'Make the database reachable by this URL for `npx pgkeep ping` too, then try again.',
  };
}

/** A database that serves another environment, whose loss would weigh more. */
function environmentFault(
  target: Target,
  { command, environment, dbPushAllowed, what }: Facts,
): Fault | undefined {
  const { stamp, identity } = target;
  if (stamp.kind !== 'stamped') return undefined;
  const { environment: stamped } = stamp.stamp;
  if (WORTH[stamped] > WORTH[environment]) {
    if (identity && !sameDatabase(identity, stamp.stamp)) return copyFault(target, stamped, environment);
    return {
      text: `is stamped ${stamped}${what === undefined ? `, and NODE_ENV is ${environment}` : ''}`,
      remedy: `Give ${environment} a database of its own, or say that ${stamped} is meant: NODE_ENV=${stamped}.`,
    };
  }
  if (command.name === 'db push' && stamped === 'staging' && !dbPushAllowed) {
    return {
      text: 'is stamped staging, and PRISMA_DB_PUSH_ALLOWED is not true',
      remedy: AS_PRODUCTION_GETS_IT,
    };
  }
  return undefined;
}

/** What a test suite does to a database it does without looking: even a deploy. */
function testSuiteFault({ stamp, productionBy }: Target, { environment }: Facts): Fault | undefined {
  if (environment !== 'test') return undefined;
  const remedy = 'Give the test suite a database of its own.';
  if (stamp.kind === 'stamped' && WORTH[stamp.stamp.environment] > WORTH.test) {
    return { text: `is stamped ${stamp.stamp.environment}, and NODE_ENV is test`, remedy };
  }
  if (productionBy === undefined) return undefined;
  return { text: `is production’s, by ${productionBy}, and NODE_ENV is test`, remedy };
}

/** Prisma drops everything in it. */
function shadowFault({ stamp, productionBy, identity }: Target, { targets }: Facts): Fault | undefined {
  const remedy = 'Give shadowDatabaseUrl an empty database of its own, or leave it out.';
  if (stamp.kind === 'stamped') {
    return {
      text: `would be emptied as the shadow database, and is stamped ${stamp.stamp.environment}`,
      remedy,
    };
  }
  if (productionBy !== undefined) {
    return {
      text: `would be emptied as the shadow database, and is production’s, by ${productionBy}`,
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
    'Production is never reset. To go back to an earlier state restore a backup: `pgkeep restore --list`.',
  'db push': `Write a migration on a development database (\`npx prisma migrate dev\`), then apply it here: ${DEPLOY}.`,
  'db seed': `Seed development and test databases. Rows that production needs come by a migration: ${DEPLOY}.`,
  'db execute': `Put the statements into a migration, which is reviewed, backed up and recorded: ${DEPLOY}.`,
  studio: 'Open Studio on a development database, or on a restored copy that is stamped as what it is for.',
};

/** What to do instead, where a command is refused on production's database. */
function remedyFor(commandName: string): string {
  return (
    REMEDIES[commandName] ??
    `Run it on a development database; what it makes comes here by a migration: ${DEPLOY}.`
  );
}

/** What to do instead of `db push` on staging. */
const AS_PRODUCTION_GETS_IT = `Bring the change by a migration, as production gets it: ${DEPLOY}.`;
