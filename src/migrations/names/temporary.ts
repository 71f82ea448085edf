/** The schema of a session's temporary objects, as SQL names it. */
export const TEMPORARY_SCHEMA = 'pg_temp';

/** Whether a schema is that of temporary objects: `pg_temp`, or a session's own by its real name. */
export function isTemporary(schema: string | undefined): boolean {
  return schema !== undefined && /^pg_temp(?:_\d+)?$/.test(schema);
}
