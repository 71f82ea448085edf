import { parse, parsePlPgSQL } from 'libpg-query';

/** The names without a schema in the body of a function. */
export interface BareNames {
  readonly functions: ReadonlySet<string>;
  readonly relations: ReadonlySet<string>;
  readonly types: ReadonlySet<string>;
}

/** The beginning of an assignment in PL/pgSQL, before its expression. */
const ASSIGNMENT = /^\s*[\w.[\]"$]+\s*:?=\s*(?=\S)/;

/**
 * Parses the body of an SQL or PL/pgSQL function with PostgreSQL's own parser. The function is not run.
 * @returns undefined if the body cannot be parsed.
 */
export async function bareNamesIn(language: string, definition: string): Promise<BareNames | undefined> {
  const found = { functions: new Set<string>(), relations: new Set<string>(), types: new Set<string>() };
  try {
    for (const query of await queriesIn(language, definition)) collect(await parseQuery(query), found);
  } catch {
    // Probably a newer syntax than this parser knows.
    return undefined;
  }
  return found;
}

async function queriesIn(language: string, definition: string): Promise<string[]> {
  if (language === 'sql') return [definition];
  const queries: string[] = [];
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) node.forEach(visit);
    else if (typeof node === 'object' && node !== null) {
      for (const [key, value] of Object.entries(node)) {
        if (key === 'query' && typeof value === 'string') queries.push(value);
        else visit(value);
      }
    }
  };
  visit(await parsePlPgSQL(definition));
  return queries;
}

/** Parses a query, or an expression of PL/pgSQL, which is what follows SELECT. */
async function parseQuery(query: string): Promise<unknown> {
  try {
    return await parse(query);
  } catch {
    return await parse(`SELECT ${query.replace(ASSIGNMENT, '')}`).catch(() => parse(`SELECT ${query}`));
  }
}

interface Collected {
  readonly functions: Set<string>;
  readonly relations: Set<string>;
  readonly types: Set<string>;
}

function collect(tree: unknown, into: Collected): void {
  const withNames = new Set<string>();
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) node.forEach(visit);
    else if (typeof node === 'object' && node !== null) {
      for (const [key, value] of Object.entries(node)) {
        take(key, value, into, withNames);
        visit(value);
      }
    }
  };
  visit(tree);
  for (const name of withNames) into.relations.delete(name);
}

function take(kind: string, node: unknown, into: Collected, withNames: Set<string>): void {
  if (kind === 'FuncCall') addBare(partsOf(node, 'funcname'), into.functions);
  if (kind === 'TypeName' || kind === 'typeName') addBare(partsOf(node, 'names'), into.types);
  if (kind === 'RangeVar' && textIn(node, 'schemaname') === undefined) {
    const name = textIn(node, 'relname');
    if (name !== undefined) into.relations.add(name);
  }
  if (kind === 'CommonTableExpr') withNames.add(textIn(node, 'ctename') ?? '');
}

function addBare(parts: readonly string[], into: Set<string>): void {
  const [name, ...more] = parts;
  if (name !== undefined && more.length === 0) into.add(name);
}

function partsOf(node: unknown, field: string): string[] {
  const list = fieldOf(node, field);
  return Array.isArray(list) ? list.map((part) => textIn(fieldOf(part, 'String'), 'sval') ?? '') : [];
}

function textIn(node: unknown, field: string): string | undefined {
  const value = fieldOf(node, field);
  return typeof value === 'string' ? value : undefined;
}

function fieldOf(node: unknown, field: string): unknown {
  return typeof node === 'object' && node !== null ? Reflect.get(node, field) : undefined;
}
