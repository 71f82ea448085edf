import type { ClientBase } from 'pg';
import { SQLSTATE } from '../sqlstates.js';

/** SQLSTATEs of a name that was not found: a function or operator, a relation, a type, a column, a schema. */
const NOT_FOUND = new Set<string>([
  SQLSTATE.undefinedFunction,
  SQLSTATE.undefinedTable,
  SQLSTATE.undefinedObject,
  SQLSTATE.undefinedColumn,
  SQLSTATE.invalidSchemaName,
]);
/** PostgreSQL's context of an error, the innermost first. */
const RUNNING = /^(?:CONTEXT: {2})?(?:PL\/\w+ function (.+?) line \d|SQL function "(.+?)" )/;

/** A function with its schema and its arguments, as PostgreSQL's context names it. */
const QUALIFIED = /^("(?:[^"]|"")+"|[^".(]+)\.[^(]+\(/;

interface FoundFunction {
  readonly asked: string;
  readonly signature: string;
  readonly path: string;
  readonly extension: string | null;
}

/** Returns whether an error says that a name was not found, for example because of an empty search_path. */
export function isNameNotFound(code: string | undefined): boolean {
  return NOT_FOUND.has(code ?? '');
}

/** Returns the innermost function of an error's context; undefined where there is none, or it is not in English. */
export function runningFunction(context: string): string | undefined {
  for (const line of context.split('\n')) {
    const [, procedural, sql] = RUNNING.exec(line.trim()) ?? [];
    if (procedural !== undefined || sql !== undefined) return procedural ?? sql;
  }
  return undefined;
}

/**
 * Returns what to do about functions that use a name without its schema: a restore runs with an empty search_path.
 * @param running as `runningFunction` has it: with schema and arguments, or a SQL function's bare name
 */
export async function searchPathAdvice(client: ClientBase, running: readonly string[]): Promise<string[]> {
  const { rows } = await client.query<FoundFunction>(
    `SELECT DISTINCT r.name AS asked, pg_catalog.format('%I.%I(%s)', n.nspname, p.proname,
                                       pg_catalog.oidvectortypes(p.proargtypes)) AS signature,
            CASE n.nspname WHEN 'public' THEN 'public' ELSE pg_catalog.format('%I, public', n.nspname) END AS path,
            e.extname::text AS extension
       FROM pg_catalog.unnest($1::text[]) r (name)
      CROSS JOIN pg_catalog.pg_proc p
       JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
       LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
                                       AND d.objid = p.oid AND d.deptype = 'e'
       LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
      WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
        AND r.name IN (p.proname, pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes)))
      ORDER BY 2`,
    [running],
  );
  const known = rows.map(({ signature, path, extension }) =>
    extension === null
      ? alterAdvice(signature, path)
      : `To make the next backup restore: do not call ${signature} of extension ${extension} directly. Call a function of yours that wraps it and has SET search_path = ${path}, pg_temp; a dump does not keep changes to an extension's function.`,
  );
  // After an undone restore it does not exist; the error still names it with its schema.
  const gone = running.filter((name) => QUALIFIED.test(name) && rows.every(({ asked }) => asked !== name));
  return [...new Set([...known, ...gone.map((name) => alterAdvice(name, pathOf(name)))])];
}

function alterAdvice(signature: string, path: string): string {
  return `To make the next backup restore: ALTER FUNCTION ${signature} SET search_path = ${path}, pg_temp; or write the schema in front of every name in its body.`;
}

function pathOf(name: string): string {
  const schema = QUALIFIED.exec(name)?.[1] ?? 'public';
  return schema === 'public' ? schema : `${schema}, public`;
}
