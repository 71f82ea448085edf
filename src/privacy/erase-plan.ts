import { escapeIdentifier, escapeLiteral } from 'pg';
import { POLICY_SCHEMA } from '../policy/policy-texts.js';
import { erasable, modelsOf, owned, type Edge, type OwnerGraph } from './owner-graph.js';
import { ReachedRows } from './reached-rows.js';
import { columnsOf, ledgerKey, tableOf, type Rows, type Statement } from './row-sql.js';

/** Rows that stay and refer to rows that should be erased. */
export interface Referring {
  /** The key of the row that the erasure started from, as the ledger has it. */
  readonly root: Readonly<Record<string, unknown>>;
  readonly model: string;
  /** The relation field. */
  readonly field: string;
  readonly rows: number;
  /** What they refer to: the model, and the key of one such row. */
  readonly to: string;
  readonly key: Readonly<Record<string, unknown>>;
}

/** A row that a legal hold keeps. */
export interface HeldRow {
  readonly root: Readonly<Record<string, unknown>>;
  readonly model: string;
  readonly key: Readonly<Record<string, unknown>>;
}

/**
 * Returns the statement that deletes rows and what they own, up to the next person and up to rows that are kept. The
 * trigger of each table with a rule writes its line in the ledger. It answers with AffectedRows. One statement, so that
 * keys that refer to each other in a circle are no obstacle. Pure.
 */
export function erasePlan(graph: OwnerGraph, rows: Rows): Statement {
  const edges = graph.down(rows.model, erasable);
  const reached = new ReachedRows(graph, rows, edges);
  const models = modelsOf(graph.model(rows.model), edges);
  const ctes = models.map(
    (rules, index) =>
      `c${index} AS (DELETE FROM ${tableOf(graph, rules).name} AS d WHERE ${reached.includes(rules.model.name, 'd')} RETURNING 1)`,
  );
  const counts = models.map(
    ({ model }, index) =>
      `SELECT ${escapeLiteral(model.name)} AS model, count(*)::int AS rows FROM c${index}`,
  );
  return {
    sql: `WITH RECURSIVE ${[reached.cte, ...ctes].join(',\n')}\n${counts.join('\nUNION ALL ')}`,
    values: rows.values,
  };
}

/**
 * Returns the query of what would stop the erasure of rows: rows that stay and refer to what would go. It answers with
 * Referring; undefined where no foreign key can stop it. Pure.
 */
export function referringPlan(graph: OwnerGraph, rows: Rows): Statement | undefined {
  const edges = graph.down(rows.model, erasable);
  const reached = new ReachedRows(graph, rows, edges);
  const models = new Set(modelsOf(graph.model(rows.model), edges));
  const stopping = graph.edges.filter(
    (edge) => models.has(edge.parent) && !edges.includes(edge) && stops(edge),
  );
  if (stopping.length === 0) return undefined;
  const selects = stopping.map((edge) => {
    const { child, parent, field } = edge;
    const table = tableOf(graph, parent);
    const join = edge.columns.map(
      (pair) => `c.${escapeIdentifier(pair.child)} = p.${escapeIdentifier(pair.parent)}`,
    );
    // A row that goes as well stops nothing.
    const stays = models.has(child) ? ` AND NOT (${reached.includes(child.model.name, 'c')})` : '';
    return `SELECT r.root, ${escapeLiteral(child.model.name)} AS model, ${escapeLiteral(field.name)} AS field, count(*)::int AS rows,
    ${escapeLiteral(parent.model.name)} AS "to", (array_agg(${ledgerKey(table, columnsOf('p'))}))[1] AS key
  FROM ${reached.joined(parent.model.name, 'p')} JOIN ${tableOf(graph, child).name} c ON ${join.join(' AND ')}${stays} GROUP BY r.root`;
  });
  return {
    sql: `WITH RECURSIVE ${reached.cte}\n${selects.join('\nUNION ALL ')}`,
    values: rows.values,
  };
}

/** A key that becomes NULL stops nothing, unless the row that has it must not change. */
function stops({ child, field, onDelete }: Edge): boolean {
  if (onDelete !== 'SetNull' && onDelete !== 'SetDefault') return true;
  const { takesCorrections, deleteRule, fields } = child;
  if (takesCorrections || deleteRule === 'append' || deleteRule === 'read') return true;
  return (field.relation?.fields ?? []).some((name) => fields.get(name)?.isImmutable === true);
}

/**
 * Returns the query of the legal holds that forbid to erase or anonymize rows: holds on them, on what they own, and on
 * the people who own them. It answers with HeldRow. Pure.
 */
export function heldPlan(graph: OwnerGraph, rows: Rows): Statement {
  const below = new ReachedRows(graph, rows, graph.down(rows.model, owned), { name: 'below' });
  const above = new ReachedRows(graph, rows, graph.up(rows.model), { name: 'above', direction: 'up' });
  return {
    sql: `WITH RECURSIVE ${below.cte},\n${above.cte},
all_rows AS (${below.ledgerRows}\n  UNION ${above.ledgerRows})
SELECT root, model, key FROM all_rows WHERE ${POLICY_SCHEMA}.is_held(table_name, key)`,
    values: rows.values,
  };
}

/**
 * Returns the query of the rows that stay by law although the person asks: the number for each model that has a reason.
 * It answers with AffectedRows; undefined where no model has one. Pure.
 */
export function retainedPlan(graph: OwnerGraph, rows: Rows): Statement | undefined {
  const edges = graph.down(rows.model, owned);
  const models = modelsOf(graph.model(rows.model), edges).filter(({ retained }) => retained !== undefined);
  if (models.length === 0) return undefined;
  const { cte, name } = new ReachedRows(graph, rows, edges);
  const names = models.map(({ model }) => escapeLiteral(model.name)).join(', ');
  return {
    sql: `WITH RECURSIVE ${cte}\nSELECT r.model, count(*)::int AS rows FROM ${name} r WHERE r.model IN (${names}) GROUP BY r.model`,
    values: rows.values,
  };
}
