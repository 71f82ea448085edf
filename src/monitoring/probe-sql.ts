import { identifier } from '../core/text.js';

/**
 * SQL: relations of this database that a session holds, or waits to hold, so that opening them could make a probe wait. A
 * queue behind a waiting ALTER TABLE is a queue, too.
 */
export const LOCKED_RELATIONS = `
  SELECT l.relation
    FROM pg_catalog.pg_locks l
   WHERE l.locktype = 'relation' AND l.mode IN ('AccessExclusiveLock', 'ExclusiveLock', 'ShareRowExclusiveLock', 'ShareLock')
     AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())`;

/** The name of an object of a schema. */
export interface ObjectName {
  readonly schema: string;
  readonly name: string;
}

/** Returns a name as SQL takes it, without the schema `public`, and quoted only where that is necessary. */
export function nameOf({ schema, name }: ObjectName): string {
  return schema === 'public' ? identifier(name) : `${identifier(schema)}.${identifier(name)}`;
}

/** Returns a duration as people say it: `74 s`, `15 min`, `6 h`, `12 days`. */
export function durationText(seconds: number): string {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 129_600 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}
