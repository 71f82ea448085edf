import type { Client } from 'pg';
import { type DatabaseUrl, describeServer, parseDatabaseUrl } from '../../config/database-url.js';
import type { ProductionUrl } from '../../config/guard-settings.js';
import { errorCode, messageOf } from '../../core/errors.js';
import { type DatabaseIdentity, sameDatabase } from '../../environment/environment.types.js';
import { withConnection } from '../../postgres/connect.js';
import { withDeadline } from '../../postgres/deadline.js';
import { databaseFault } from '../../postgres/database-fault.js';
import { readIdentity, readStamp } from '../../environment/stamp.js';
import type { NotAsked, Target } from './guard.types.js';

/** As long as Prisma itself waits for a connection. */
const CONNECT_MS = 5000;
const TIMEOUTS = { statementTimeoutMs: 3000, lockTimeoutMs: 1500 };
/** Production can seldom be reached from development, and the developer waits. */
const PRODUCTION_MS = 1000;

/** Faults by which Prisma does not get in either: it tells them itself, and nothing is touched. */
const OUT_OF_REACH = new Set(['DATABASE_AUTHENTICATION_FAILED', 'DATABASE_NOT_FOUND']);
const NOBODY_THERE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'ENOENT']);

/** Options of every connection of the guard's. */
export function connectionOptions(connectTimeoutMs: number) {
  return { connectTimeoutMs, answerTimeoutMs: 5000, applicationName: 'pgkeep guard', throughPooler: true };
}

/** Asks a database who it is. Never rejects: what could not be asked is part of the answer. */
export async function readTarget(
  use: Target['use'],
  urlText: string,
  production: readonly ProductionUrl[],
): Promise<Target> {
  const url = parsed(urlText);
  if (typeof url === 'string') {
    const stamp: NotAsked = { kind: 'not-asked', cause: `its URL: ${url}`, isOutOfReach: false };
    return {
      use,
      database: '?',
      where: 'unknown server',
      stamp,
      identity: undefined,
      productionBy: undefined,
    };
  }
  const [asked, productionIdentities] = await Promise.all([
    ask(url),
    Promise.all(production.map(async ({ by, url: text }) => ({ by, identity: await identityOf(text, url) }))),
  ]);
  const { identity } = asked;
  const shared = productionIdentities.find(
    (other) =>
      other.identity === 'same URL' ||
      (other.identity !== undefined && identity !== undefined && sameDatabase(other.identity, identity)),
  );
  return { use, database: url.database, where: describeServer(url), ...asked, productionBy: shared?.by };
}

async function ask(url: DatabaseUrl): Promise<Pick<Target, 'stamp' | 'identity'>> {
  try {
    return await withConnection(url, connectionOptions(CONNECT_MS), async (client: Client) => ({
      stamp: await readStamp(client, TIMEOUTS),
      identity: await readIdentity(client, TIMEOUTS),
    }));
  } catch (error) {
    const { code, text } = databaseFault(error);
    const isOutOfReach = OUT_OF_REACH.has(code) || NOBODY_THERE.has(errorCode(error) ?? '');
    return { stamp: { kind: 'not-asked', cause: text, isOutOfReach }, identity: undefined };
  }
}

/** Who production is; where its URL leads to the very same server and database nobody needs to be asked. */
async function identityOf(
  text: string,
  target: DatabaseUrl,
): Promise<DatabaseIdentity | 'same URL' | undefined> {
  const url = parsed(text);
  if (typeof url === 'string') return undefined;
  if (isSamePlace(url, target)) return 'same URL';
  const asking = withConnection(url, connectionOptions(PRODUCTION_MS), (client) =>
    readIdentity(client, TIMEOUTS),
  );
  return await withDeadline(asking, PRODUCTION_MS).catch(() => undefined);
}

/** One of the hosts, the port and the database are the same, whoever logs in. */
function isSamePlace(left: DatabaseUrl, right: DatabaseUrl): boolean {
  if (left.database !== right.database) return false;
  return left.hosts.some((one) =>
    right.hosts.some(
      (other) => one.port === other.port && one.host.toLowerCase() === other.host.toLowerCase(),
    ),
  );
}

function parsed(text: string): DatabaseUrl | string {
  try {
    return parseDatabaseUrl(text);
  } catch (error) {
    return messageOf(error);
  }
}
