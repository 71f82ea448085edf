import { type ClientBase, escapeLiteral } from 'pg';
import { read, type ReadTimeouts } from '../../postgres/read.js';
import { type Trace, type Traced, type TraceKind, traceLabel } from './traces-of.js';

/** Traces per query; a migration of thousands of statements takes a few queries. */
const TRACES_PER_QUERY = 200;

const RELATIONS: Partial<Record<TraceKind, string>> = {
  table: `c.relkind IN ('r', 'p', 'f')`,
  view: `c.relkind IN ('v', 'm')`,
  // An interrupted CREATE INDEX CONCURRENTLY leaves an invalid index, which does not count.
  index: `c.relkind IN ('i', 'I') AND (SELECT i.indisvalid AND i.indisready FROM pg_catalog.pg_index i WHERE i.indexrelid = c.oid)`,
  sequence: `c.relkind = 'S'`,
};

const PARTS: Partial<Record<TraceKind, string>> = {
  column: 'pg_attribute p WHERE p.attrelid = c.oid AND p.attnum > 0 AND NOT p.attisdropped AND p.attname =',
  constraint: 'pg_constraint p WHERE p.conrelid = c.oid AND p.conname =',
  trigger: 'pg_trigger p WHERE p.tgrelid = c.oid AND p.tgname =',
  policy: 'pg_policy p WHERE p.polrelid = c.oid AND p.polname =',
};

/**
 * Looks up which traces exist in the database.
 * @throws what the connection throws.
 */
export async function lookForTraces(
  client: ClientBase,
  traces: readonly Trace[],
  timeouts: ReadTimeouts,
): Promise<Traced> {
  const there: string[] = [];
  const notThere: string[] = [];
  for (let from = 0; from < traces.length; from += TRACES_PER_QUERY) {
    const some = traces.slice(from, from + TRACES_PER_QUERY);
    const [row] = await read<{ found: boolean[] }>(client, {
      sql: `SELECT ARRAY[${some.map(existsSql).join(',\n')}] AS found`,
      ...timeouts,
    });
    for (const [index, trace] of some.entries()) {
      const isAsAfter = row?.found[index] === trace.isMade;
      (isAsAfter ? there : notThere).push(traceLabel(trace));
    }
  }
  return { verdict: verdictOf(there.length, traces.length), there, notThere };
}

function verdictOf(there: number, all: number): Traced['verdict'] {
  if (all === 0) return 'unknown';
  if (there === all) return 'all';
  return there === 0 ? 'nothing' : 'some';
}

function existsSql({ kind, schema = '', of = '', name }: Trace): string {
  const [inSchema, own, called] = [schema, of, name].map((text) => escapeLiteral(text));
  const relation = `pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ${inSchema}`;
  const relationKind = RELATIONS[kind];
  if (relationKind) return `EXISTS (SELECT FROM ${relation} AND c.relname = ${called} AND ${relationKind})`;
  const part = PARTS[kind];
  if (part) {
    return `EXISTS (SELECT FROM ${relation} AND c.relname = ${own} AND EXISTS (SELECT FROM pg_catalog.${part} ${called}))`;
  }
  const type = `pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace`;
  switch (kind) {
    case 'type':
      return `EXISTS (SELECT FROM ${type} WHERE n.nspname = ${inSchema} AND t.typname = ${called})`;
    case 'enum value':
      return `EXISTS (SELECT FROM ${type} JOIN pg_catalog.pg_enum e ON e.enumtypid = t.oid WHERE n.nspname = ${inSchema} AND t.typname = ${own} AND e.enumlabel = ${called})`;
    case 'function':
      return `EXISTS (SELECT FROM pg_catalog.pg_proc f JOIN pg_catalog.pg_namespace n ON n.oid = f.pronamespace WHERE n.nspname = ${inSchema} AND f.proname = ${called})`;
    case 'schema':
      return `EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = ${called})`;
    default:
      return `EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = ${called})`;
  }
}
