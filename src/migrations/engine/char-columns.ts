import { ColumnTypeEnum, type SqlResultSet } from '@prisma/driver-adapter-utils';
import type { Client } from 'pg';

const CHAR_OID = 18;
const TEXT_OID = 25;

/**
 * Makes columns of type `"char"` readable, of which pg_catalog is full: the stock adapter refuses the type, and
 * Prisma's engine insists on it. The adapter is told that they are text, the engine what they really are.
 */
export class CharColumns {
  private latest: ReadonlySet<number> = new Set();

  /** Watches what a client's queries return. */
  watch(client: Client): void {
    // Before node-postgres' own listener, so that the query already sees the changed type.
    client.connection.prependListener('rowDescription', (message: unknown) => {
      this.latest = hasFields(message) ? replaceCharType(message.fields) : new Set();
    });
  }

  /** Gives the columns of the latest result their type back. */
  restore(result: SqlResultSet): SqlResultSet {
    const columnTypes = result.columnTypes.map((type, column) =>
      this.latest.has(column) ? ColumnTypeEnum.Character : type,
    );
    return { ...result, columnTypes };
  }
}

/** @returns the columns whose type was replaced. */
function replaceCharType(fields: readonly unknown[]): ReadonlySet<number> {
  const replaced = new Set<number>();
  for (const [column, field] of fields.entries()) {
    if (!isField(field) || field.dataTypeID !== CHAR_OID) continue;
    field.dataTypeID = TEXT_OID;
    replaced.add(column);
  }
  return replaced;
}

function hasFields(message: unknown): message is { fields: unknown[] } {
  return (
    typeof message === 'object' && message !== null && 'fields' in message && Array.isArray(message.fields)
  );
}

function isField(field: unknown): field is { dataTypeID: number } {
  return typeof field === 'object' && field !== null && 'dataTypeID' in field;
}
