import { hostname } from 'node:os';
import { type Client, escapeIdentifier, escapeLiteral } from 'pg';
import { isRunning } from '../../cluster/postmaster.js';
import { isInteger, isRecord, isText } from '../../core/json-guards.js';

/** Who made a database: kept as its comment, so that a later run knows what a killed one left. */
interface Mark {
  readonly madeBy: string;
  readonly host: string;
  readonly pid: number;
  readonly at: string;
}

const isMark = isRecord<Mark>({ madeBy: isText, host: isText, pid: isInteger, at: isText });

/** A name of PostgreSQL has at most so many bytes. */
const LONGEST_NAME = 63;

export const RESTORING_NAME = /_restoring_\d{14}$/;

/**
 * Databases that one kind of run makes and takes away again. Only what such a run made is ever dropped: the name
 * and the comment both say so.
 */
export class MarkedDatabases {
  constructor(
    private readonly client: Client,
    private readonly kind: {
      readonly madeBy: 'pgkeep restore test' | 'pgkeep restore';
      readonly name: RegExp;
      /** What is older than this was left, on whatever host it was made. */
      readonly longestMs: number;
    },
  ) {}

  /** @param options what follows CREATE DATABASE name WITH */
  async create(name: string, options: string, now: Date): Promise<void> {
    await this.client.query(`CREATE DATABASE ${escapeIdentifier(name)} WITH ${options}`);
    const { madeBy } = this.kind;
    const mark: Mark = { madeBy, host: hostname(), pid: process.pid, at: now.toISOString() };
    await this.client.query(
      `COMMENT ON DATABASE ${escapeIdentifier(name)} IS ${escapeLiteral(JSON.stringify(mark))}`,
    );
  }

  /** Ends whoever is still connected to it, and drops it. */
  async drop(name: string): Promise<void> {
    await this.client.query(`DROP DATABASE IF EXISTS ${escapeIdentifier(name)} WITH (FORCE)`);
  }

  /** Drops what killed runs left. @returns the names. */
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
    // Somebody else's comment.
    return undefined;
  }
}

/** `clinic_restoring_20261120113000`: while a restore is at work on it. */
export function restoringName(database: string, at: Date): string {
  return beside(database, `_restoring_${compactTime(at)}`);
}

/** `clinic_replaced_20261120_113000`: the database that a restore put aside. */
export function replacedName(database: string, at: Date): string {
  const time = compactTime(at);
  return beside(database, `_replaced_${time.slice(0, 8)}_${time.slice(8)}`);
}

/** A long name loses its end, and never a part of a character. */
function beside(database: string, ending: string): string {
  const letters = Array.from(database);
  while (Buffer.byteLength(letters.join('')) + ending.length > LONGEST_NAME) letters.pop();
  return letters.join('') + ending;
}

/** `20261120113000`, UTC. */
export function compactTime(at: Date): string {
  return at.toISOString().replaceAll(/\D/g, '').slice(0, 14);
}
