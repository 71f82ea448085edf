import type { Client } from 'pg';
import { counted } from '../../core/text.js';
import { PgkeepError, serverMessageOf } from '../../core/errors.js';
import { queryOne } from '../../postgres/read.js';

/** The catalogues of the objects that pg_dump writes: `oid` and `xmin` identify one version of each object. */
const CATALOGUES = [
  'pg_class',
  'pg_proc',
  'pg_type',
  'pg_namespace',
  'pg_extension',
  'pg_constraint',
  'pg_rewrite',
  'pg_trigger',
  'pg_policy',
  'pg_attrdef',
  'pg_collation',
  'pg_operator',
  'pg_publication',
  'pg_event_trigger',
  'pg_foreign_server',
  'pg_statistic_ext',
] as const;
/** Objects that initdb created have lower numbers. */
export const FIRST_OWN_OID = 16_384;

/** Reads a hash of the structure that a transaction sees: it differs when an object was created, changed or dropped. */
export async function readStructureMark(client: Client): Promise<string> {
  const rows = CATALOGUES.map(
    (catalogue) =>
      `SELECT pg_catalog.hashtextextended(pg_catalog.concat('${catalogue} ', o.oid, ' ', o.xmin), 0) AS hash
         FROM pg_catalog.${catalogue} o
        WHERE o.oid >= ${FIRST_OWN_OID}${catalogue === 'pg_class' ? ` AND o.relpersistence <> 't'` : ''}`,
  );
  const { rows: marks } = await client.query<{ mark: string }>(
    `SELECT coalesce(pg_catalog.sum(o.hash), 0)::text AS mark FROM (${rows.join(' UNION ALL ')}) o`,
  );
  return marks[0]?.mark ?? '';
}

/**
 * Returns whether the structure is changing: it differs from the snapshot's, or a session holds or waits for the lock
 * under which tables are changed.
 */
export async function isChanging(client: Client, markOfSnapshot: string): Promise<boolean> {
  const { locked } = await queryOne<{ locked: boolean }>(
    client,
    `SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l
                     WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.relation >= ${FIRST_OWN_OID}
                       AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                                          WHERE d.datname = pg_catalog.current_database())) AS locked`,
  );
  return locked || (await readStructureMark(client)) !== markOfSnapshot;
}

/**
 * The versions of objects that pg_dump reads with server functions that ignore its snapshot, such as
 * `pg_get_function_result`: for a function that was dropped meanwhile it writes an invalid command and exits with 0.
 * Tables, with their indexes, triggers and rules, are locked and not included. One array: `catalogue oid xmin`.
 */
const VERSIONS = `SELECT coalesce(pg_catalog.array_agg(v.version), '{}') AS versions
  FROM (SELECT pg_catalog.concat('pg_proc ', p.oid, ' ', p.xmin) AS version FROM pg_catalog.pg_proc p
         WHERE p.oid >= ${FIRST_OWN_OID}
         UNION ALL
        SELECT pg_catalog.concat('pg_statistic_ext ', s.oid, ' ', s.xmin) FROM pg_catalog.pg_statistic_ext s
         UNION ALL
        SELECT pg_catalog.concat('pg_constraint ', k.oid, ' ', k.xmin) FROM pg_catalog.pg_constraint k
         WHERE k.contypid <> 0 AND k.oid >= ${FIRST_OWN_OID}
         UNION ALL
        SELECT pg_catalog.concat('pg_rewrite ', r.oid, ' ', r.xmin)
          FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
         WHERE c.relpersistence <> 't' AND r.oid >= ${FIRST_OWN_OID}) v`;

/** An object was dropped or replaced while pg_dump read it: the dump may not be restorable. */
export class ReplacedWhileDumped extends Error {
  override readonly name = 'ReplacedWhileDumped';
}

/** Reads the versions that the transaction sees. */
export async function readVersions(client: Client): Promise<readonly string[]> {
  return (await queryOne<{ versions: string[] }>(client, VERSIONS)).versions;
}

/** Requires that the snapshot's versions still exist. @throws ReplacedWhileDumped */
export async function requireVersions(client: Client, ofSnapshot: readonly string[]): Promise<void> {
  const current = new Set(await readVersions(client));
  const gone = ofSnapshot.filter((version) => !current.has(version)).length;
  if (gone === 0) return;
  const what = counted(gone, 'function, view or domain', 'functions, views or domains');
  throw new ReplacedWhileDumped(`${what} changed while pg_dump read the structure`);
}

/** How long, and how often at most, to try again. With many short-lived objects, most tries fail within a moment. */
const LONGEST_MS = 20_000;

const MOST_TRIES = 40;

/**
 * For how long no session may wait for the locks of each further try, in turn. Short-lived tables show within a short
 * time; if one table changes again and again, the best moment is directly after a change.
 */
const QUIET_MS = [20, 20, 100] as const;

/** A dump that fails if tables are dropped, emptied or rewritten while it begins. */
interface DisturbedWork<T> {
  /** @param quietMs for how long no session may change tables before it begins; 0 for the first try */
  readonly attempt: (quietMs: number) => Promise<T>;
  readonly wasDisturbed: (error: unknown) => Promise<boolean>;
  /** Removes the files of a failed attempt. */
  readonly discard: () => Promise<void>;
}

/**
 * Runs an attempt, and tries again if a change of the structure made it fail: the next snapshot is taken after the change.
 * @throws PgkeepError `BACKUP_FAILED` if each attempt was disturbed; what an attempt throws for another reason.
 */
export async function retryDisturbed<T>({ attempt, wasDisturbed, discard }: DisturbedWork<T>): Promise<T> {
  const begun = performance.now();
  for (let tries = 0; ; tries += 1) {
    try {
      return await attempt(tries === 0 ? 0 : (QUIET_MS[tries % QUIET_MS.length] ?? 0));
    } catch (error) {
      // If the server no longer answers, the first failure is reported.
      const isDisturbed = await wasDisturbed(error).catch(() => false);
      if (!isDisturbed) throw error;
      const isLast = tries + 1 >= MOST_TRIES || performance.now() - begun > LONGEST_MS;
      if (isLast) throw disturbedEachTime(tries + 1, error);
      await discard();
    }
  }
}

function disturbedEachTime(tries: number, cause: unknown): PgkeepError {
  return new PgkeepError(
    'BACKUP_FAILED',
    `Cannot back up: tables, views or functions were dropped, emptied or replaced while each of ${tries} attempts began. The last failure: ${serverMessageOf(cause)}`,
    {
      hint: 'No backup was kept. Run the backup again when the migration or the job that changes them has ended.',
      cause,
    },
  );
}
