import type { Client } from 'pg';
import { type DatabaseUrl, describeServer, parseDatabaseUrl } from '../../config/database-url.js';
import type { ProductionUrl } from '../../config/guard-settings.js';
import { errorCode, messageOf } from '../../core/errors.js';
import { type Known, valueOf } from '../../core/known.js';
import { type DatabaseIdentity, sameDatabase } from '../../environment/environment.types.js';
import { readIdentity, readStamp } from '../../environment/stamp.js';
import { withConnection } from '../../postgres/connect.js';
import { databaseFault } from '../../postgres/database-fault.js';
import { withDeadline } from '../../postgres/deadline.js';
import type { StampNotRead, Target } from './guard.types.js';

/** As long as Prisma waits for a connection. */
const CONNECT_MS = 5000;
const TIMEOUTS = { statementTimeoutMs: 3000, lockTimeoutMs: 1500 };
/** Short, because production is seldom reachable from development, and the developer waits. */
const PRODUCTION_MS = 1000;

/** Faults that also stop Prisma, which reports them itself without changing anything. */
const OUT_OF_REACH = new Set(['DATABASE_AUTHENTICATION_FAILED', 'DATABASE_NOT_FOUND']);
const NO_SERVER = new Set(['ECONNREFUSED', 'ENOTFOUND', 'ENOENT']);

/** Returns the options of the guard's connections. */
function connectionOptions(connectTimeoutMs: number) {
  return { connectTimeoutMs, answerTimeoutMs: 5000, applicationName: 'pgkeep guard', throughPooler: true };
}

/** Reads the stamp and identity of a database. Never rejects: what could not be read is part of the result. */
export async function readTarget(
  use: Target['use'],
  urlText: string,
  production: readonly ProductionUrl[],
): Promise<Target> {
  const parsed = parseUrl(urlText);
  if ('reason' in parsed) {
    const stamp: StampNotRead = { kind: 'not-read', cause: `its URL: ${parsed.reason}`, isOutOfReach: false };
    return {
      use,
      database: '?',
      where: 'unknown server',
      stamp,
      identity: undefined,
      productionBy: undefined,
    };
  }
  const { value: url } = parsed;
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
    const isOutOfReach = OUT_OF_REACH.has(code) || NO_SERVER.has(errorCode(error) ?? '');
    return { stamp: { kind: 'not-read', cause: text, isOutOfReach }, identity: undefined };
  }
}

/** Returns the identity of production, without connecting if its URL names the same server and database. */
async function identityOf(
  text: string,
  target: DatabaseUrl,
): Promise<DatabaseIdentity | 'same URL' | undefined> {
  const url = valueOf(parseUrl(text));
  if (url === undefined) return undefined;
  if (isSamePlace(url, target)) return 'same URL';
  const asking = withConnection(url, connectionOptions(PRODUCTION_MS), (client) =>
    readIdentity(client, TIMEOUTS),
  );
  return await withDeadline(asking, PRODUCTION_MS).catch(() => undefined);
}

/** Whether one host, its port and the database are the same, whatever the user. */
function isSamePlace(left: DatabaseUrl, right: DatabaseUrl): boolean {
  if (left.database !== right.database) return false;
  return left.hosts.some((one) =>
    right.hosts.some(
      (other) => one.port === other.port && one.host.toLowerCase() === other.host.toLowerCase(),
    ),
  );
}

function parseUrl(text: string): Known<DatabaseUrl> {
  try {
    return { value: parseDatabaseUrl(text) };
  } catch (error) {
    return { reason: messageOf(error) };
  }
}
