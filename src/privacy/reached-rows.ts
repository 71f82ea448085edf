import { escapeIdentifier, escapeLiteral } from 'pg';
import type { ModelRules } from '../prisma-schema/rules.js';
import type { Edge, OwnerGraph } from './owner-graph.js';
import { columnsOf, ledgerKey, tableOf, type Rows } from './row-sql.js';

/** One foreign key, in the direction in which it is followed. */
interface Step {
  readonly from: ModelRules;
  readonly to: ModelRules;
  readonly columns: readonly { readonly from: string; readonly to: string }[];
}

/** A column that the CTE has. */
interface Carried {
  readonly model: string;
  readonly column: string;
  readonly as: string;
}

/**
 * The rows that edges lead to from some rows, as a recursive CTE: it follows cycles, self references and keys of several
 * columns. Each row of it is a row of one model: `root` (the key of the row it was reached from), `model`, and the
 * columns of every model that are needed, NULL for the others. The types of the columns need not be known.
 */
export class ReachedRows {
  /** The CTE's name. */
  readonly name: string;
  private readonly carried: Carried[] = [];
  private readonly models: ReadonlyMap<string, ModelRules>;
  private readonly steps: readonly Step[];

  constructor(
    private readonly graph: OwnerGraph,
    private readonly rows: Rows,
    edges: readonly Edge[],
    { name = 'reached', direction = 'down' }: { name?: string; direction?: 'down' | 'up' } = {},
  ) {
    this.name = name;
    this.steps = edges.map((edge) => stepOf(edge, direction));
    const root = graph.model(rows.model);
    const models = [root, ...this.steps.map(({ to }) => to)];
    this.models = new Map(models.map((model) => [model.model.name, model]));
    for (const [model, rules] of this.models) {
      for (const column of tableOf(graph, rules).key) this.alias(model, column);
    }
    for (const { from, columns } of this.steps) {
      for (const column of columns) this.alias(from.model.name, column.from);
    }
  }

  /** The CTE; it goes into a WITH RECURSIVE. */
  get cte(): string {
    const { name } = this;
    const rows = this.graph.model(this.rows.model);
    const root = tableOf(this.graph, rows);
    const first = `SELECT ${ledgerKey(root, columnsOf('t'))} AS root, ${this.columns(this.rows.model, 't')} FROM ${root.name} t WHERE ${this.rows.where}`;
    if (this.steps.length === 0) return `${name} AS (${first})`;
    const next = this.steps.map(({ from, to, columns }) => {
      const condition = columns.map(
        (column) => `c.${escapeIdentifier(column.to)} = o.${this.alias(from.model.name, column.from)}`,
      );
      return `SELECT ${this.columns(to.model.name, 'c')} FROM ${tableOf(this.graph, to).name} c WHERE o.model = ${escapeLiteral(from.model.name)} AND ${condition.join(' AND ')}`;
    });
    return `${name} AS (${first}
  UNION SELECT o.root, x.* FROM ${name} o CROSS JOIN LATERAL (
    ${next.join('\n    UNION ALL ')}) x)`;
  }

  /** Returns the condition that a row of a model was reached. @param alias the row's alias */
  includes(model: string, alias: string): string {
    const { key } = tableOf(this.graph, this.rules(model));
    const row = key.map(columnsOf(alias)).join(', ');
    const reached = key.map((column) => `r.${this.alias(model, column)}`).join(', ');
    return `(${row}) IN (SELECT ${reached} FROM ${this.name} r WHERE r.model = ${escapeLiteral(model)})`;
  }

  /** Returns the reached rows, `r`, joined with those of a model's table, as a FROM item. @param alias the table's alias */
  joined(model: string, alias: string): string {
    const { name, key } = tableOf(this.graph, this.rules(model));
    const on = key.map((column) => `${columnsOf(alias)(column)} = r.${this.alias(model, column)}`);
    return `${this.name} r JOIN ${name} ${alias} ON r.model = ${escapeLiteral(model)} AND ${on.join(' AND ')}`;
  }

  /** Returns a query of all reached rows: `root`, `model`, `table_name` and `key` as the ledger has them. */
  get ledgerRows(): string {
    const selects = [...this.models].map(([model, rules]) => {
      const table = tableOf(this.graph, rules);
      const key = ledgerKey(table, (column) => `r.${this.alias(model, column)}`);
      return `SELECT r.root, r.model, ${table.ledgerName} AS table_name, ${key} AS key FROM ${this.name} r WHERE r.model = ${escapeLiteral(model)}`;
    });
    return selects.join('\n  UNION ALL ');
  }

  private rules(model: string): ModelRules {
    return this.models.get(model) ?? this.graph.model(model);
  }

  private alias(model: string, column: string): string {
    const known = this.carried.find((one) => one.model === model && one.column === column);
    if (known) return known.as;
    const as = `k${this.carried.length}`;
    this.carried.push({ model, column, as });
    return as;
  }

  /** The CTE's columns: a row of one model has NULL, of the right type, for the others. */
  private columns(model: string, alias: string): string {
    const columns = this.carried.map(({ model: of, column, as }) => {
      const row = of === model ? alias : `(NULL::${tableOf(this.graph, this.rules(of)).name})`;
      return `${row}.${escapeIdentifier(column)} AS ${as}`;
    });
    return [`${escapeLiteral(model)}::text AS model`, ...columns].join(', ');
  }
}

function stepOf({ parent, child, columns }: Edge, direction: 'down' | 'up'): Step {
  return direction === 'down'
    ? { from: parent, to: child, columns: columns.map((pair) => ({ from: pair.parent, to: pair.child })) }
    : { from: child, to: parent, columns: columns.map((pair) => ({ from: pair.child, to: pair.parent })) };
}
