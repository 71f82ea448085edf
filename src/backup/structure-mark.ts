import type { Client } from 'pg';

/** Where the objects that pg_dump writes are recorded: `oid` and `xmin` tell one version of each from the next. */
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
/** What initdb made has lower numbers. */
export const FIRST_OWN_OID = 16_384;

/** Stands for the structure that a transaction sees: another mark, and something was made, changed or dropped. */
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
 * Whether the structure changes at this moment: it is another one than the snapshot's, or a session holds or awaits
 * the lock under which tables are changed.
 */
export async function isChanging(client: Client, markOfSnapshot: string): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l
                     WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.relation >= ${FIRST_OWN_OID}
                       AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d
                                          WHERE d.datname = pg_catalog.current_database())) AS locked`,
  );
  return rows[0]?.locked === true || (await readStructureMark(client)) !== markOfSnapshot;
}
