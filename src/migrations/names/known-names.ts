import { isTemporary, type PathChange, type SearchPath, TEMPORARY_SCHEMA } from './search-path.js';

/** Relations (with their indexes), types and routines have separate namespaces, as in PostgreSQL. */
export type NameKind = 'relation' | 'type' | 'routine';

interface State {
  readonly path: SearchPath;
  /** The path that a `SET LOCAL` hides until the transaction ends. */
  readonly outerPath: { readonly path: SearchPath } | undefined;
  /** Existing temporary objects, as `kind name`; true where a commit drops them. */
  readonly temporary: ReadonlyMap<string, boolean>;
  /** Permanent objects that the script created, as `kind schema.name`. */
  readonly made: ReadonlySet<string>;
}

/** Knows which object an unqualified name means at a position in a script, as far as the script itself shows. */
export class KnownNames {
  private state: State = { path: undefined, outerPath: undefined, temporary: new Map(), made: new Set() };
  private before: State | undefined;

  /** Returns the schema of a new object; undefined where it is the session's default. */
  schemaOfNew(): string | undefined {
    return this.state.path?.[0];
  }

  /** Returns the schema of a named object; undefined where it is the session's default, or not known. */
  schemaOf(kind: NameKind, name: string): string | undefined {
    const { path, temporary, made } = this.state;
    const isThere = (schema: string): boolean =>
      isTemporary(schema) ? temporary.has(`${kind} ${name}`) : made.has(`${kind} ${schema}.${name}`);
    // PostgreSQL never looks for routines in the temporary schema.
    const first = kind === 'routine' || path?.some(isTemporary) ? [] : [TEMPORARY_SCHEMA];
    const found = [...first, ...(path ?? [])].find(isThere);
    if (found !== undefined) return isTemporary(found) ? TEMPORARY_SCHEMA : found;
    const permanent = (path ?? []).filter((schema) => !isTemporary(schema) && schema !== 'pg_catalog');
    // Of several schemas it is not known which one has it.
    return permanent.length === 1 ? permanent[0] : undefined;
  }

  make(kind: NameKind, schema: string | undefined, name: string, goesAtCommit = false): void {
    const { temporary, made } = this.state;
    if (isTemporary(schema)) {
      this.state = { ...this.state, temporary: new Map([...temporary, [`${kind} ${name}`, goesAtCommit]]) };
    } else if (schema !== undefined) {
      this.state = { ...this.state, made: new Set([...made, `${kind} ${schema}.${name}`]) };
    }
  }

  remove(kind: NameKind, schema: string | undefined, name: string): void {
    const temporary = new Map(this.state.temporary);
    const made = new Set(this.state.made);
    if (isTemporary(schema)) temporary.delete(`${kind} ${name}`);
    else made.delete(`${kind} ${schema ?? ''}.${name}`);
    this.state = { ...this.state, temporary, made };
  }

  /** `DISCARD TEMP`. */
  discardTemporary(): void {
    this.state = { ...this.state, temporary: new Map() };
  }

  changePath({ path, isLocal }: PathChange): void {
    const { outerPath, path: current } = this.state;
    this.state = { ...this.state, path, outerPath: isLocal ? (outerPath ?? { path: current }) : undefined };
  }

  begin(): void {
    this.before ??= this.state;
  }

  commit(): void {
    const { outerPath, path, temporary } = this.state;
    this.state = {
      ...this.state,
      path: outerPath ? outerPath.path : path,
      outerPath: undefined,
      temporary: new Map([...temporary].filter(([, goesAtCommit]) => !goesAtCommit)),
    };
    this.before = undefined;
  }

  rollback(): void {
    this.state = this.before ?? this.state;
    this.before = undefined;
  }
}
