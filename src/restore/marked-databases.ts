import { hostname } from 'node:os';
import { escapeIdentifier, escapeLiteral, type Client } from 'pg';
import { isInteger, isRecord, isText } from '../backup/guards.js';
import { isRunning } from '../cluster/postmaster-file.js';

/** Who made a database: kept as its comment, so that a later run knows what a killed one left. */
interface Mark {
  readonly madeBy: string;
  readonly host: string;
  readonly pid: number;
  readonly at: string;
}

const isMark = isRecord<Mark>({ madeBy: isText, host: isText, pid: isInteger, at: isText });

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
