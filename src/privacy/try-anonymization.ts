import type { ClientBase } from 'pg';
import { escapeIdentifier } from 'pg';
import { serverMessageOf } from '../core/errors.js';
import type { PolicyFinding } from '../policy/check-policy.js';
import { anonymizePlan, replacedFields } from './anonymize-plan.js';
import { run } from './open-record.js';
import type { OwnerGraph } from './owner-graph.js';
import { openAction, tableOf, type Rows } from './row-sql.js';

/** What a try found. */
export interface AnonymizationTry {
  /** The models of which rows were tried. */
  readonly tried: readonly string[];
  /** Models without a row to try. */
  readonly empty: readonly string[];
  readonly findings: readonly PolicyFinding[];
}

/** Two rows, because a value that is the same twice violates a unique index. */
const ROWS_PER_TABLE = 2;

/**
 * Anonymizes rows of every table with personal values in the open transaction, which the caller rolls back: constraints
 * and unique indexes refuse now and not on the day a person asks.
 */
export async function tryAnonymization(client: ClientBase, graph: OwnerGraph): Promise<AnonymizationTry> {
  const [opened] = await run<{ id: string }>(
    client,
    openAction('anonymize', { by: 'policy check', reason: null }),
  );
  const action = opened?.id ?? '';
  const tried: string[] = [];
  const empty: string[] = [];
  const findings: PolicyFinding[] = [];
  for (const rules of graph.rules.models.values()) {
    if (replacedFields(rules).length === 0) continue;
    const { model } = rules;
    const { name, key } = tableOf(graph, rules);
    const columns = key.map((column) => escapeIdentifier(column)).join(', ');
    const rows: Rows = {
      model: model.name,
      where: `(${key.map((column) => `t.${escapeIdentifier(column)}`).join(', ')}) IN (SELECT ${columns} FROM ${name} LIMIT ${ROWS_PER_TABLE})`,
      values: [],
    };
    // Only this table: each has its turn.
    const plan = anonymizePlan(graph, rows, action, () => false);
    if (!plan) continue;
    await client.query('SAVEPOINT pgkeep_try');
    try {
      const [changed] = await run<{ rows: number }>(client, plan);
      (changed?.rows === 0 ? empty : tried).push(model.name);
    } catch (error) {
      await client.query('ROLLBACK TO SAVEPOINT pgkeep_try');
      const text = `model ${model.name}: PostgreSQL refuses the values that replace personal ones: ${serverMessageOf(error)}`;
      findings.push({ path: model.path, line: model.line, text });
    }
  }
  return { tried, empty, findings };
}
