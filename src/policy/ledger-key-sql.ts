import { STEADY_OUTPUT } from '../postgres/session.js';

const { timezone, datestyle, intervalstyle, bytea_output, extra_float_digits, lc_monetary } = STEADY_OUTPUT;

/**
 * The settings that PostgreSQL's text of a value depends on, as pgkeep's own sessions have them. The functions that write
 * keys into the ledger run with them as well: an application's session may have others, and the same row one key only.
 */
export const STEADY_SETTINGS: Readonly<Record<string, string>> = {
  timezone,
  datestyle,
  intervalstyle,
  bytea_output,
  extra_float_digits,
  lc_monetary,
};

/**
 * Returns a value of a key that is personal itself as the ledger holds it, as SQL.
 * @param table the table's name in the ledger, as SQL
 * @param value a jsonb, as SQL
 * @param salt as SQL
 */
export function hashedValue(table: string, value: string, salt: string): string {
  return `pg_catalog.jsonb_build_object('sha256', pg_catalog.encode(pg_catalog.sha256(${salt} || pg_catalog.convert_to(${table} || ${value}::text, 'UTF8')), 'hex'))`;
}
