import type { ClientBase } from 'pg';
import { boundedList } from '../../core/text.js';
import { read, type ReadTimeouts } from '../read.js';
import { OWN_RELATIONS } from './own-relations.js';

/** An object that exists, and that PostgreSQL does not use or enforce. */
export interface Unenforced {
  /**
   * - `invalid index`: queries do not use it and, where it is unique, duplicates go in
   * - `unattached index`: of a partitioned table, and not of each of its partitions
   * - `not validated`: a constraint that rows from before it may break
   * - `not enforced`: a constraint that is not checked, or not always
   * - `disabled trigger`
   */
  readonly kind: 'invalid index' | 'unattached index' | 'not validated' | 'not enforced' | 'disabled trigger';
  /** `public.seat_row_key`; of a constraint and a trigger `public.seat.note_given`; quoted where SQL needs it. */
  readonly name: string;
  /** The SQL that fixes it, or begins to. */
  readonly fix: string;
}

/** The most objects to read, because a check does so once a minute. */
const LIMIT = 1000;

/** What several objects of a kind are called, in the order of the report. */
const SEVERAL: Readonly<Record<Unenforced['kind'], string>> = {
  'invalid index': 'indexes are not valid',
  'not enforced': 'constraints are not enforced',
  'not validated': 'constraints are not validated',
  'disabled trigger': 'triggers are disabled',
  'unattached index': 'indexes are not attached for every partition',
};
/** The number of names to list; further ones are counted. */
const SHOWN = 3;

/** The lock of a concurrent DROP or REINDEX on an index, and of a concurrent CREATE INDEX on its table. */
const LOCKED = (relation: string): string => `
  SELECT l.pid FROM pg_catalog.pg_locks l
   WHERE l.locktype = 'relation' AND l.granted AND l.mode = 'ShareUpdateExclusiveLock' AND l.relation = ${relation}
     AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())`;

/** Every role sees the pid of a session that builds an index; for another role's session, not which index. */
const INDEXES = `
  SELECT CASE WHEN x.relkind = 'I' THEN 'unattached index' ELSE 'invalid index' END AS kind, x.name,
         CASE WHEN x.relkind = 'I' THEN pg_catalog.format('ALTER INDEX %s ATTACH PARTITION …;', x.name)
              WHEN x.relispartition THEN pg_catalog.format('REINDEX INDEX CONCURRENTLY %s;', x.name)
              ELSE pg_catalog.format('DROP INDEX CONCURRENTLY %s;', x.name) END AS fix
    FROM pg_catalog.pg_index i
    JOIN own x ON x.oid = i.indexrelid
   WHERE NOT (i.indisvalid AND i.indisready AND i.indislive)
     AND NOT EXISTS (${LOCKED('i.indexrelid')})
     AND NOT EXISTS (${LOCKED('i.indrelid')}
                        AND l.pid IN (SELECT p.pid FROM pg_catalog.pg_stat_get_progress_info('CREATE INDEX') p))`;

/** `conenforced` exists since PostgreSQL 18. */
const CONSTRAINTS = `
  SELECT 'not validated', pg_catalog.format('%s.%I', r.name, k.conname),
         pg_catalog.format('ALTER TABLE %s VALIDATE CONSTRAINT %I;', r.name, k.conname)
    FROM pg_catalog.pg_constraint k
    JOIN own r ON r.oid = k.conrelid
   WHERE NOT k.convalidated AND k.conparentid = 0 AND k.contype IN ('c', 'f', 'n')
     AND coalesce(pg_catalog.to_jsonb(k) ->> 'conenforced', 'true') = 'true'
  UNION ALL
  SELECT 'not enforced', pg_catalog.format('%s.%I', r.name, k.conname),
         CASE WHEN pg_catalog.to_jsonb(k) ->> 'conenforced' = 'false'
              THEN pg_catalog.format('ALTER TABLE %s ALTER CONSTRAINT %I ENFORCED;', r.name, k.conname)
              ELSE (SELECT pg_catalog.string_agg(pg_catalog.format('ALTER TABLE %s ENABLE TRIGGER ALL;', t.name), ' ')
                      FROM (SELECT DISTINCT o.name FROM pg_catalog.pg_trigger d JOIN own o ON o.oid = d.tgrelid
                             WHERE d.tgconstraint = k.oid AND d.tgenabled NOT IN ('O', 'A')) t) END
    FROM pg_catalog.pg_constraint k
    JOIN own r ON r.oid = k.conrelid
   WHERE k.contype IN ('c', 'f') AND k.conparentid = 0
     AND (NOT k.convalidated AND pg_catalog.to_jsonb(k) ->> 'conenforced' = 'false'
          OR k.oid IN (SELECT d.tgconstraint FROM pg_catalog.pg_trigger d
                        WHERE d.tgisinternal AND d.tgenabled NOT IN ('O', 'A')))`;

const TRIGGERS = `
  SELECT 'disabled trigger', pg_catalog.format('%s.%I', r.name, t.tgname),
         pg_catalog.format('ALTER TABLE %s ENABLE TRIGGER %I;', r.name, t.tgname)
    FROM pg_catalog.pg_trigger t
    JOIN own r ON r.oid = t.tgrelid
   WHERE NOT t.tgisinternal AND t.tgenabled = 'D' AND t.tgparentid = 0`;

/** Returns one row per object, as {@link Unenforced}. */
export const UNENFORCED_QUERY = `
  WITH own AS (SELECT * FROM ${OWN_RELATIONS} o)
  ${INDEXES} UNION ALL ${CONSTRAINTS} UNION ALL ${TRIGGERS}
  ORDER BY 1, 2 LIMIT ${LIMIT}`;

/** Reads the objects that are not used or enforced. @throws what the connection throws. */
export async function readUnenforced(client: ClientBase, timeouts: ReadTimeouts): Promise<Unenforced[]> {
  return await read<Unenforced & Record<string, unknown>>(client, { sql: UNENFORCED_QUERY, ...timeouts });
}

/** Returns them as text: one object with its fix, several by their names. Pure. */
export function unenforcedTexts(objects: readonly Unenforced[]): string[] {
  return Object.entries(SEVERAL).flatMap(([kind, what]) => {
    const own = objects.filter((one) => one.kind === kind);
    const [first] = own;
    if (!first) return [];
    if (own.length === 1) return [`${unenforcedText(first)} (${first.fix})`];
    return [
      `${own.length} ${what}: ${boundedList(
        own.map(({ name }) => name),
        SHOWN,
      )}`,
    ];
  });
}

/** `index public.seat_row_key is not valid` */
export function unenforcedText({ kind, name }: Unenforced): string {
  switch (kind) {
    case 'invalid index':
      return `index ${name} is not valid`;
    case 'unattached index':
      return `index ${name} is not attached for every partition`;
    case 'disabled trigger':
      return `trigger ${name} is disabled`;
    default:
      return `constraint ${name} is ${kind}`;
  }
}
