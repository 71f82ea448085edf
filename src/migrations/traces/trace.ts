/** Kinds of objects that can be looked for by name. */
export type TraceKind =
  | 'table'
  | 'view'
  | 'index'
  | 'sequence'
  | 'column'
  | 'constraint'
  | 'trigger'
  | 'policy'
  | 'type'
  | 'enum value'
  | 'function'
  | 'schema'
  | 'extension';

/** What can be seen in the catalogue after a statement: an object that exists, or one that does not. */
export interface Trace {
  readonly kind: TraceKind;
  /** Undefined for a schema and an extension. */
  readonly schema: string | undefined;
  /** The table of a column, a constraint, a trigger or a policy; the type of an enum value. */
  readonly of: string | undefined;
  readonly name: string;
  /** Whether the statement creates the object; otherwise it drops it. */
  readonly isMade: boolean;
}

/** What was applied of a migration, according to the catalogue. */
export interface Traced {
  /**
   * - `all`, `nothing`, `some` of its traces exist
   * - `unknown`: it has no traces, or its file is missing
   */
  readonly verdict: 'all' | 'nothing' | 'some' | 'unknown';
  /** Traces that exist: `table public.a`, `no column public.a.b`. */
  readonly there: readonly string[];
  readonly notThere: readonly string[];
}

/** `column public.a.b` */
export function traceName({ kind, schema, of, name }: Trace): string {
  return `${kind} ${[schema, of, name].filter((part) => part !== undefined).join('.')}`;
}

/** What is there afterwards: `table public.a`, `no column public.a.b`. */
export function traceLabel(trace: Trace): string {
  return `${trace.isMade ? '' : 'no '}${traceName(trace)}`;
}
