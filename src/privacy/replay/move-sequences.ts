import { type ClientBase, escapeLiteral } from 'pg';
import { jsonArray } from '../ledger/read-ledger.js';
import type { ReplayTable } from './replay-tables.js';

/** The sequences of a column: its own one, or one that its default takes numbers from. */
const SEQUENCES = `
  SELECT DISTINCT s.oid::pg_catalog.regclass::text AS name, q.seqincrement > 0 AS ascending
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_class s ON s.relkind = 'S'
    JOIN pg_catalog.pg_sequence q ON q.seqrelid = s.oid
   WHERE a.attrelid = $1 AND a.attname = $2
     AND (EXISTS (SELECT FROM pg_catalog.pg_depend d
                   WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = s.oid
                     AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype IN ('a', 'i'))
       OR EXISTS (SELECT FROM pg_catalog.pg_attrdef f
                    JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid
                   WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum AND d.refobjid = s.oid))`;

/**
 * Moves the sequences past every erased key: the restored ones continue from before, and would give the number of an
 * erased person to another one.
 */
export async function moveSequences(client: ClientBase, tables: readonly ReplayTable[]): Promise<void> {
  for (const { rows: table, replay } of tables) {
    if (replay.deleted.length === 0) continue;
    for (const { name: column } of table.key.filter(({ name }) => !table.personalKey.has(name))) {
      const { rows } = await client.query<{ name: string; ascending: boolean }>(SEQUENCES, [
        table.oid,
        column,
      ]);
      for (const { name, ascending } of rows) {
        const [extreme, beyond] = ascending ? ['max', '>'] : ['min', '<'];
        await client.query(
          `SELECT pg_catalog.setval(${escapeLiteral(name)}, erased.key)
             FROM (SELECT pg_catalog.${extreme}((k->>${escapeLiteral(column)})::int8) AS key
                     FROM pg_catalog.jsonb_array_elements($1::jsonb) k) erased, ${name} sequence
            WHERE erased.key ${beyond}= sequence.last_value`,
          [jsonArray(replay.deleted)],
        );
      }
    }
  }
}
