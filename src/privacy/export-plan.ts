import { escapeIdentifier, escapeLiteral } from 'pg';
import type { Field } from '../prisma-schema/prisma-schema.types.js';
import type { ModelRules } from '../prisma-schema/rules.js';
import { edgesTo, modelsOf, owned, type OwnerGraph } from './owner-graph.js';
import { ReachedRows } from './reached-rows.js';
import { isZoned, tableOf, type Rows, type Statement } from './row-sql.js';

/** The format of an export, in its first field. */
export const EXPORT_FORMAT = 'pgkeep-subject-export/1';

/** The rows of one model. */
export interface ModelExport {
  readonly model: string;
  /** Answers with `row`: one JSON object as text, with the names of the Prisma schema. */
  readonly rows: Statement;
  /** Why the rows stay although the person asks for erasure; undefined if they do not. */
  readonly retained: string | undefined;
}

/** A person's data, as queries. Run them in one REPEATABLE READ transaction. */
export interface ExportPlan {
  /** The person first, then what belongs to her, deleted rows too. */
  readonly models: readonly ModelExport[];
  /**
   * Answers with `made` and `rows`: how many rows refer to the person without belonging to her, by `Model.field`. What a
   * person made is counted, not handed out: it is about others. Undefined if nothing can refer to her.
   */
  readonly made: Statement | undefined;
  /** What is left out, as `Model.field`: passwords and other secrets. */
  readonly omitted: readonly string[];
}

/** Returns the queries of everything that belongs to a person. Pure. */
export function exportPlan(graph: OwnerGraph, person: Rows): ExportPlan {
  const root = graph.model(person.model);
  const edges = graph.down(person.model, owned);
  const models = modelsOf(root, edges);
  return {
    models: models.map((rules) => ({
      model: rules.model.name,
      rows: rowsOf(graph, person, rules),
      retained: rules.retained,
    })),
    made: madeBy(graph, person),
    omitted: models.flatMap((rules) =>
      rules.model.fields
        .filter((field) => isSecret(rules, field))
        .map(({ name }) => `${rules.model.name}.${name}`),
    ),
  };
}

function rowsOf(graph: OwnerGraph, person: Rows, rules: ModelRules): Statement {
  const { name, key } = tableOf(graph, rules);
  const reached = new ReachedRows(graph, person, edgesTo(rules.model.name, graph.down(person.model, owned)));
  const fields = rules.model.fields.filter((field) => !field.relation && !isSecret(rules, field));
  const columns = fields.map((field) => `${valueOf(field)} AS ${escapeIdentifier(field.name)}`);
  const order = key.map((column) => `t.${escapeIdentifier(column)}`).join(', ');
  return {
    // Not jsonb, which would sort the names.
    sql: `WITH RECURSIVE ${reached.cte}
SELECT row_to_json(x)::text AS row FROM (
  SELECT ${columns.join(', ')} FROM ${name} t WHERE ${reached.includes(rules.model.name, 't')} ORDER BY ${order}) x`,
    values: person.values,
  };
}

function isSecret({ fields }: ModelRules, { name }: Field): boolean {
  return fields.get(name)?.personal === 'secret';
}

/** The value as JSON has it in every language: exact numbers as text, times in UTC, bytes in Base64. */
function valueOf(field: Field): string {
  const column = `t.${escapeIdentifier(field.column)}`;
  if (field.isList) return isExact(field) ? `${column}::text[]` : column;
  if (isExact(field) || field.type === 'Unsupported') return `${column}::text`;
  if (field.type === 'Bytes') return String.raw`translate(encode(${column}, 'base64'), E'\n', '')`;
  if (field.type !== 'DateTime' || /^(Date|Time|Timetz)\b/.test(field.nativeType ?? '')) return column;
  const utc = isZoned(field) ? `${column} AT TIME ZONE 'UTC'` : column;
  return `CASE WHEN isfinite(${column}) THEN (to_json(${utc}) #>> '{}') || 'Z' ELSE ${column}::text END`;
}

/** JavaScript’s numbers are not exact enough for these. */
function isExact({ type }: Field): boolean {
  return type === 'BigInt' || type === 'Decimal';
}

function madeBy(graph: OwnerGraph, person: Rows): Statement | undefined {
  const referring = graph.edges.filter(
    ({ parent, isOwner }) => parent.model.name === person.model && !isOwner,
  );
  if (referring.length === 0) return undefined;
  const reached = new ReachedRows(graph, person, []);
  const counts = referring.map(({ child, field, columns }) => {
    const on = columns.map(
      (pair) => `c.${escapeIdentifier(pair.child)} = t.${escapeIdentifier(pair.parent)}`,
    );
    return `SELECT ${escapeLiteral(`${child.model.name}.${field.name}`)} AS made, count(*)::int AS rows
  FROM ${reached.joined(person.model, 't')} JOIN ${tableOf(graph, child).name} c ON ${on.join(' AND ')}`;
  });
  return {
    sql: `WITH RECURSIVE ${reached.cte}\n${counts.join('\nUNION ALL ')}`,
    values: person.values,
  };
}
