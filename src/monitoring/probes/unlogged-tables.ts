import { defineProbe } from '../probe.js';
import { IS_OF_APPLICATION } from '../../postgres/catalogue/own-relations.js';
import { nameOf, type ObjectName } from '../probe-sql.js';

const CODES = {
  TABLE_UNLOGGED: {
    meaning: 'A table is unlogged: it is empty after a crash, and on replicas.',
    remedy: 'Make it a logged table, unless its rows can be lost.',
  },
} as const;

/** Finds tables that do not survive a crash. */
export const unloggedTables = defineProbe<ObjectName, keyof typeof CODES>({
  name: 'unlogged-tables',
  tier: 'hour',
  cost: '1 ms; 15 ms with 10,000 tables',
  codes: CODES,
  sql: () => `
    SELECT n.nspname AS schema, c.relname AS name
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND c.relpersistence = 'u' AND ${IS_OF_APPLICATION} ORDER BY 1, 2 LIMIT 20`,
  judge: (rows) => ({
    findings: rows.map((row) => {
      const table = nameOf(row);
      return {
        code: 'TABLE_UNLOGGED',
        severity: 'info',
        subject: table,
        text: `${table} is unlogged: it is empty after a crash`,
        sql: `ALTER TABLE ${table} SET LOGGED;`,
      };
    }),
  }),
});
