import { queryOne } from '../postgres/read.js';
import { EXPORT_FORMAT, exportPlan } from './export-plan.js';
import { run, type OpenRecord } from './open-record.js';
import type { RetainedRows } from './privacy.types.js';

/** A part of an export, in this order: `begin`; for each model `model`, then its `rows`; `end`. */
export type ExportPart =
  | ({ readonly kind: 'begin' } & ExportHeader)
  | { readonly kind: 'model'; readonly model: string; readonly retained: string | undefined }
  /** Each row is a JSON object as text. */
  | { readonly kind: 'rows'; readonly rows: readonly string[] }
  | ({ readonly kind: 'end' } & ExportFooter);

/** What stands before the data. */
export interface ExportHeader {
  readonly format: typeof EXPORT_FORMAT;
  readonly subject: { readonly model: string; readonly id: string };
  /** ISO 8601, by the database's clock. */
  readonly exportedAt: string;
}

/** What stands after the data. */
export interface ExportFooter {
  /** How many rows the person made that are about others, by `Model.field`. */
  readonly madeBySubject: Readonly<Record<string, number>>;
  readonly retained: readonly RetainedRows[];
  /** Secrets that are left out, as `Model.field`. */
  readonly omitted: readonly string[];
}

/** So many rows are in memory. */
const ROWS_PER_FETCH = 500;
const CURSOR = 'pgkeep_subject_export';

/** Reads everything about a person in the open transaction, in parts of bounded size. */
export async function* readExport({ client, graph, rows, record }: OpenRecord): AsyncGenerator<ExportPart> {
  const plan = exportPlan(graph, rows);
  const { at } = await queryOne<{ at: Date }>(client, 'SELECT transaction_timestamp() AS at');
  yield { kind: 'begin', format: EXPORT_FORMAT, subject: record, exportedAt: at.toISOString() };
  const retained: RetainedRows[] = [];
  for (const { model, rows: statement, retained: because } of plan.models) {
    yield { kind: 'model', model, retained: because };
    let count = 0;
    await client.query(`DECLARE ${CURSOR} NO SCROLL CURSOR FOR ${statement.sql}`, [...statement.values]);
    for (;;) {
      const fetched = await run<{ row: string }>(client, {
        sql: `FETCH ${ROWS_PER_FETCH} FROM ${CURSOR}`,
        values: [],
      });
      if (fetched.length === 0) break;
      count += fetched.length;
      yield { kind: 'rows', rows: fetched.map(({ row }) => row) };
    }
    await client.query(`CLOSE ${CURSOR}`);
    if (because !== undefined && count > 0) retained.push({ model, rows: count, because });
  }
  const made = plan.made ? await run<{ made: string; rows: number }>(client, plan.made) : [];
  const madeBySubject = Object.fromEntries(
    made.filter((one) => one.rows > 0).map((one) => [one.made, one.rows]),
  );
  yield { kind: 'end', madeBySubject, retained, omitted: plan.omitted };
}

/** Prints the parts of an export, one after the other. */
export type ExportPrinter = (part: ExportPart) => string;

/** Returns a printer of one JSON document, with a row on each line. */
export function jsonPrinter(): ExportPrinter {
  let isFirstModel = true;
  let isFirstRow = true;
  return (part) => {
    switch (part.kind) {
      case 'begin': {
        const { format, subject, exportedAt } = part;
        return `${JSON.stringify({ format, subject, exportedAt }).slice(0, -1)},"data":{`;
      }
      case 'model': {
        const text = `${isFirstModel ? '' : '\n],'}\n${JSON.stringify(part.model)}:[`;
        isFirstModel = false;
        isFirstRow = true;
        return text;
      }
      case 'rows': {
        const text = `${isFirstRow ? '' : ','}\n${part.rows.join(',\n')}`;
        isFirstRow = false;
        return text;
      }
      default: {
        const { madeBySubject, retained, omitted } = part;
        return `\n]},\n${JSON.stringify({ madeBySubject, retained, omitted }).slice(1)}\n`;
      }
    }
  };
}
