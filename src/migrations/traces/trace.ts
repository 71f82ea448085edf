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

/** What a statement leaves behind that can be seen afterwards: an object that is there, or one that is gone. */
export interface Trace {
  readonly kind: TraceKind;
  /** Undefined for a schema and an extension. */
  readonly schema: string | undefined;
  /** The table of a column, a constraint, a trigger or a policy; the type of an enum value. */
  readonly of: string | undefined;
  readonly name: string;
  /** Whether the statement makes the object; otherwise it removes it. */
  readonly isMade: boolean;
}

/** What of a migration is in the database. */
export interface Traced {
  /**
   * - `all`, `nothing`, `some` of what can be looked for
   * - `unknown`: nothing can be looked for, or the file is not there
   */
  readonly verdict: 'all' | 'nothing' | 'some' | 'unknown';
  /** Traces that are there: `table public.a`, `no column public.a.b`. */
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
