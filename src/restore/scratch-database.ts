import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { escapeIdentifier, escapeLiteral, type Client } from 'pg';
import { isInteger, isRecord, isText } from '../backup/guards.js';
import { isRunning } from '../cluster/postmaster-file.js';

/** `pgkeep_test_20261120113000_0a1b2c3d` */
const NAME = /^pgkeep_test_\d{14}_[0-9a-f]{8}$/;

/** Who made a scratch database: kept as its comment, so that a later test knows what a killed one left. */
interface Mark {
  readonly madeBy: string;
  readonly host: string;
  readonly pid: number;
  readonly at: string;
}

const MADE_BY = 'pgkeep restore test';
const isMark = isRecord<Mark>({ madeBy: isText, host: isText, pid: isInteger, at: isText });

/** Makes a fresh database. @returns its name. */
export async function createScratchDatabase(
  client: Client,
  { options, now }: { options: string; now: Date },
): Promise<string> {
  const time = now.toISOString().replaceAll(/\D/g, '').slice(0, 14);
  const name = `pgkeep_test_${time}_${randomBytes(4).toString('hex')}`;
  await client.query(`CREATE DATABASE ${escapeIdentifier(name)} WITH ${options}`);
  const mark: Mark = { madeBy: MADE_BY, host: hostname(), pid: process.pid, at: now.toISOString() };
  await client.query(
    `COMMENT ON DATABASE ${escapeIdentifier(name)} IS ${escapeLiteral(JSON.stringify(mark))}`,
  );
  return name;
}

/** Ends whoever is still connected to it, and drops it. */
export async function dropScratchDatabase(client: Client, name: string): Promise<void> {
  await client.query(`DROP DATABASE IF EXISTS ${escapeIdentifier(name)} WITH (FORCE)`);
}

/**
 * Drops the scratch databases of tests that were killed: of a process of this host that is gone, or older than any
 * test can be. Only what a test made is ever dropped: the name and the comment both say so.
 */
export async function dropLeftovers(client: Client, now: Date, longestMs: number): Promise<string[]> {
  const { rows } = await client.query<{ name: string; comment: string | null }>(
    `SELECT d.datname::text AS name, pg_catalog.shobj_description(d.oid, 'pg_database') AS comment
       FROM pg_catalog.pg_database d
      WHERE d.datname ~ '^pgkeep_test_' AND pg_catalog.pg_has_role(d.datdba, 'MEMBER')`,
  );
  const left = rows.filter(({ name, comment }) => NAME.test(name) && isLeftover(comment, now, longestMs));
  for (const { name } of left) await dropScratchDatabase(client, name);
  return left.map(({ name }) => name);
}

function isLeftover(comment: string | null, now: Date, longestMs: number): boolean {
  const mark = parseMark(comment);
  if (!mark) return false;
  if (mark.host === hostname() && mark.pid !== process.pid) return !isRunning(mark.pid);
  return now.getTime() - Date.parse(mark.at) > longestMs;
}

function parseMark(comment: string | null): Mark | undefined {
  try {
    const parsed: unknown = JSON.parse(comment ?? '');
    return isMark(parsed) && parsed.madeBy === MADE_BY ? parsed : undefined;
  } catch {
    // Somebody else's comment.
    return undefined;
  }
}
