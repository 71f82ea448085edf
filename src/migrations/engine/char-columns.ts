import type { Client } from 'pg';

const CHAR_OID = 18;
const TEXT_OID = 25;

/**
 * Makes columns of type `"char"` (pg_catalog is full of them) arrive as text. The stock adapter refuses to
 * read the type, and without it no schema can be described.
 */
export function readCharColumnsAsText(client: Client): void {
  // Before node-postgres' own listener, so that the query already sees the changed type.
  client.connection.prependListener('rowDescription', (message: unknown) => {
    if (!hasFields(message)) return;
    for (const field of message.fields) {
      if (isField(field) && field.dataTypeID === CHAR_OID) field.dataTypeID = TEXT_OID;
    }
  });
}

function hasFields(message: unknown): message is { fields: unknown[] } {
  return (
    typeof message === 'object' && message !== null && 'fields' in message && Array.isArray(message.fields)
  );
}

function isField(field: unknown): field is { dataTypeID: number } {
  return typeof field === 'object' && field !== null && 'dataTypeID' in field;
}
