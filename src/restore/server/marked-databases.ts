import { hostname } from 'node:os';
import { type Client, escapeIdentifier, escapeLiteral } from 'pg';
import { isRunning } from '../../cluster/postmaster.js';
import { isInteger, isRecord, isText } from '../../core/json-guards.js';

/** Which run created a database. Stored as its comment, so that a later run recognizes the leftovers of a killed one. */
interface Mark {
  readonly madeBy: string;
  readonly host: string;
  readonly pid: number;
  readonly at: string;
}

const isMark = isRecord<Mark>({ madeBy: isText, host: isText, pid: isInteger, at: isText });

/** The longest name in PostgreSQL, in bytes. */
const LONGEST_NAME = 63;

/** The names that `restoringName` returns. */
export const RESTORING_NAME = /_restoring_\d{14}$/;

/**
 * Databases that one kind of run creates and drops again. It drops only databases whose name and comment both show that
 * such a run created them.
 */
export class MarkedDatabases {
  constructor(
    private readonly client: Client,
    private readonly kind: {
      readonly madeBy: 'pgkeep restore test' | 'pgkeep restore';
      readonly name: RegExp;
      /** A database that is older than this is a leftover, on whatever host it was created. */
      readonly longestMs: number;
    },
  ) {}

  /** Creates a database. @param options the options after CREATE DATABASE name WITH */
  async create(name: string, options: string, now: Date): Promise<void> {
    await this.client.query(`CREATE DATABASE ${escapeIdentifier(name)} WITH ${options}`);
    const { madeBy } = this.kind;
    const mark: Mark = { madeBy, host: hostname(), pid: process.pid, at: now.toISOString() };
    await this.client.query(
      `COMMENT ON DATABASE ${escapeIdentifier(name)} IS ${escapeLiteral(JSON.stringify(mark))}`,
    );
  }

  /** Ends all connections to a database and drops it. */
  async drop(name: string): Promise<void> {
    await this.client.query(`DROP DATABASE IF EXISTS ${escapeIdentifier(name)} WITH (FORCE)`);
  }

  /** Drops the databases that killed runs left. @returns their names. */
  async dropLeftovers(now: Date): Promise<string[]> {
    const { rows } = await this.client.query<{ name: string; comment: string | null }>(
      `SELECT d.datname::text AS name, pg_catalog.shobj_description(d.oid, 'pg_database') AS comment
         FROM pg_catalog.pg_database d
        WHERE pg_catalog.pg_has_role(d.datdba, 'MEMBER')`,
    );
    const left = rows.filter(
      ({ name, comment }) => this.kind.name.test(name) && this.isLeftover(comment, now),
    );
    for (const { name } of left) await this.drop(name);
    return left.map(({ name }) => name);
  }

  private isLeftover(comment: string | null, now: Date): boolean {
    const mark = parseMark(comment);
    if (mark?.madeBy !== this.kind.madeBy) return false;
    if (mark.host === hostname() && mark.pid !== process.pid) return !isRunning(mark.pid);
    return now.getTime() - Date.parse(mark.at) > this.kind.longestMs;
  }
}

function parseMark(comment: string | null): Mark | undefined {
  try {
    const parsed: unknown = JSON.parse(comment ?? '');
    return isMark(parsed) ? parsed : undefined;
  } catch {
    // A comment that pgkeep did not write.
    return undefined;
  }
}

/** Returns the name of a database during its restore: `clinic_restoring_20261120113000`. */
export function restoringName(database: string, at: Date): string {
  return withEnding(database, `_restoring_${compactTime(at)}`);
}

/** Returns the name of the database that a restore replaced: `clinic_replaced_20261120_113000`. */
export function replacedName(database: string, at: Date): string {
  const time = compactTime(at);
  return withEnding(database, `_replaced_${time.slice(0, 8)}_${time.slice(8)}`);
}

/** Appends an ending to a name, which is shortened by complete characters if necessary. */
function withEnding(database: string, ending: string): string {
  const letters = Array.from(database);
  while (Buffer.byteLength(letters.join('')) + ending.length > LONGEST_NAME) letters.pop();
  return letters.join('') + ending;
}

/** Returns a time in UTC for a name: `20261120113000`. */
export function compactTime(at: Date): string {
  return at.toISOString().replaceAll(/\D/g, '').slice(0, 14);
}
