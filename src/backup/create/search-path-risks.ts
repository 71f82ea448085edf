import type { Client } from 'pg';
import { boundedList } from '../../core/text.js';
import { OWN_RELATIONS } from '../../postgres/catalogue/own-relations.js';
import { searchPathAdvice } from '../../postgres/catalogue/unqualified-names.js';

/** How many names a warning lists. */
const SHOWN = 5;

/** A function that a restore runs, and the object that needs it. */
interface Use {
  readonly subject: string;
  readonly oid: string;
}

interface FunctionBody {
  readonly oid: string;
  readonly signature: string;
  readonly name: string;
  readonly language: string;
  readonly body: string;
  /** As the PL/pgSQL parser needs it. */
  readonly definition: string;
}

/** What a restore computes again: it runs every function that is used there. */
const COMPUTED = `
  SELECT pg_catalog.format('generated column %s.%I', r.name, a.attname) AS subject,
         'pg_catalog.pg_attrdef'::pg_catalog.regclass AS class, d.oid
    FROM ${OWN_RELATIONS} r
    JOIN pg_catalog.pg_attribute a ON a.attrelid = r.oid AND a.attgenerated <> ''
    JOIN pg_catalog.pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
  UNION ALL
  SELECT pg_catalog.format('constraint %I of %s', c.conname, r.name), 'pg_catalog.pg_constraint'::pg_catalog.regclass, c.oid
    FROM ${OWN_RELATIONS} r JOIN pg_catalog.pg_constraint c ON c.conrelid = r.oid AND c.contype = 'c' AND c.convalidated
  UNION ALL
  SELECT pg_catalog.format('constraint %I of domain %s', c.conname, pg_catalog.format_type(c.contypid, NULL)),
         'pg_catalog.pg_constraint'::pg_catalog.regclass, c.oid
    FROM pg_catalog.pg_constraint c WHERE c.contypid <> 0 AND c.contype = 'c'
  UNION ALL
  SELECT pg_catalog.format('%s %s', CASE r.relkind WHEN 'p' THEN 'partition key of' ELSE 'index' END, r.name),
         'pg_catalog.pg_class'::pg_catalog.regclass, r.oid
    FROM ${OWN_RELATIONS} r WHERE r.relkind IN ('i', 'I', 'p')
  UNION ALL
  SELECT pg_catalog.format('materialized view %s', r.name), 'pg_catalog.pg_rewrite'::pg_catalog.regclass, w.oid
    FROM ${OWN_RELATIONS} r JOIN pg_catalog.pg_rewrite w ON w.ev_class = r.oid
   WHERE r.relkind = 'm' AND r.relispopulated`;

const USES = `
  SELECT DISTINCT u.subject, coalesce(o.oprcode, d.refobjid)::pg_catalog.oid::text AS oid
    FROM (${COMPUTED}) u
    JOIN pg_catalog.pg_depend d ON d.classid = u.class AND d.objid = u.oid
    LEFT JOIN pg_catalog.pg_operator o
           ON d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass AND o.oid = d.refobjid
   WHERE d.refclassid IN ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass)
   ORDER BY 1`;

/** Functions whose bodies are resolved at run time. Those with their own search_path, or in standard SQL, are safe. */
const BODIES = `
  SELECT p.oid::text, p.proname::text AS name, l.lanname::text AS language, p.prosrc AS body,
         pg_catalog.pg_get_functiondef(p.oid) AS definition,
         pg_catalog.format('%I.%I(%s)', n.nspname, p.proname, pg_catalog.oidvectortypes(p.proargtypes)) AS signature
    FROM pg_catalog.pg_proc p
    JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
    JOIN pg_catalog.pg_language l ON l.oid = p.prolang
   WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND l.lanname IN ('sql', 'plpgsql')
     AND p.prokind = 'f' AND p.prosqlbody IS NULL
     AND NOT EXISTS (SELECT FROM pg_catalog.unnest(p.proconfig) c (setting) WHERE c.setting LIKE 'search\\_path=%')`;

/**
 * Finds functions that a restore of this database runs and that name objects without their schema: a restore has an empty
 * search_path, so they fail. Their bodies are parsed, not run. In the caller's transaction.
 * @returns a warning for each function, with what to change.
 */
export async function findSearchPathRisks(client: Client): Promise<string[]> {
  const { rows: uses } = await client.query<Use>(USES);
  if (uses.length === 0) return [];
  const { rows: bodies } = await client.query<FunctionBody>(BODIES);
  const run = uses.map(({ subject, oid }) => ({ subject, runs: runBy(oid, bodies) }));
  const all = new Set(run.flatMap(({ runs }) => [...runs]));
  const warnings: string[] = [];
  for (const { body, names } of await readRisks(client, [...all])) {
    const subjects = run.filter(({ runs }) => runs.has(body)).map(({ subject }) => subject);
    const advice = await searchPathAdvice(client, [body.signature]);
    warnings.push(
      `a restore of this backup will fail at ${boundedList([...new Set(subjects)], SHOWN)}: function ${body.signature} names ${boundedList(names, SHOWN)} without a schema, and a restore has an empty search_path. ${advice.join(' ')}`,
    );
  }
  return warnings.toSorted();
}

/** Returns a function and those that its body mentions, recursively, as far as they are among the bodies. */
function runBy(oid: string, bodies: readonly FunctionBody[]): Set<FunctionBody> {
  const found = new Set(bodies.filter((body) => body.oid === oid));
  for (const caller of found) {
    for (const body of bodies) {
      if (!found.has(body) && mentions(caller, body)) found.add(body);
    }
  }
  return found;
}

function mentions({ body }: FunctionBody, { name }: FunctionBody): boolean {
  return body.toLowerCase().includes(name.toLowerCase());
}

interface Risk {
  readonly body: FunctionBody;
  readonly names: readonly string[];
}

/** Returns the functions that name an object without its schema, other than PostgreSQL's own objects. */
async function readRisks(client: Client, bodies: readonly FunctionBody[]): Promise<Risk[]> {
  if (bodies.length === 0) return [];
  // Loaded only here: the parser is slow to load, and few databases need it.
  const { bareNamesIn } = await import('./bare-names.js');
  const risks: Risk[] = [];
  for (const candidate of bodies) {
    const { language, body, definition } = candidate;
    const bare = await bareNamesIn(language, language === 'sql' ? body : definition);
    if (!bare) continue;
    const { rows } = await client.query<{ name: string }>(
      `SELECT DISTINCT f.name FROM pg_catalog.unnest($1::text[]) f (name)
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_proc p
                           WHERE p.proname = f.name AND p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace)
          AND EXISTS (SELECT FROM pg_catalog.pg_proc p WHERE p.proname = f.name)
       UNION
       SELECT t.name FROM pg_catalog.unnest($2::text[]) t (name)
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_class c
                           WHERE c.relname = t.name AND c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace)
          AND EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.relname = t.name)
       UNION
       SELECT y.name FROM pg_catalog.unnest($3::text[]) y (name)
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_type t
                           WHERE t.typname = y.name AND t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace)
          AND EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.typname = y.name)
        ORDER BY 1`,
      [[...bare.functions], [...bare.relations], [...bare.types]],
    );
    if (rows.length > 0) risks.push({ body: candidate, names: rows.map(({ name }) => name) });
  }
  return risks;
}
