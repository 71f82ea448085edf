import { identifier } from '../../core/text.js';
import { defineProbe } from '../probe.js';
import { IS_OF_APPLICATION } from '../../postgres/catalogue/own-relations.js';
import { nameOf, type ObjectName } from '../probe-sql.js';

interface Row extends ObjectName {
  readonly constraint: string;
}

const CODES = {
  CONSTRAINT_NOT_VALID: {
    meaning: 'A constraint was added as NOT VALID and never validated: older rows may break it.',
    remedy: 'Validate it; that blocks neither reads nor writes.',
  },
} as const;

/** Finds constraints that were never validated. */
export const constraints = defineProbe<Row, keyof typeof CODES>({
  name: 'constraints',
  tier: 'hour',
  cost: '1 ms; 2 ms with 10,000 tables',
  codes: CODES,
  sql: () => `
    SELECT n.nspname AS schema, c.relname AS name, k.conname AS constraint
      FROM pg_catalog.pg_constraint k
      JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE NOT k.convalidated AND k.contype IN ('f', 'c') AND ${IS_OF_APPLICATION} ORDER BY 1, 2, 3 LIMIT 20`,
  judge: (rows) => ({
    findings: rows.map((row) => {
      const table = nameOf(row);
      const constraint = identifier(row.constraint);
      return {
        code: 'CONSTRAINT_NOT_VALID',
        severity: 'info',
        subject: `${table} ${constraint}`,
        text: `Constraint ${constraint} of ${table} was never validated`,
        sql: `ALTER TABLE ${table} VALIDATE CONSTRAINT ${constraint};`,
      };
    }),
  }),
});
