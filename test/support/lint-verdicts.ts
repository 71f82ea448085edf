import { ALTER_TABLE } from '../../src/migrations/lint/alter-table-locks.js';
import { HARMLESS_STATEMENTS, STATEMENTS, type Verdict } from '../../src/migrations/lint/statement-locks.js';

/** The tables of commands in docs/lint-rules.md, as the code has them: one line a row, cells without padding. */
export function verdictRows(): string[] {
  const rows = [...Object.values(STATEMENTS), ...alterTable()].map(
    ({ sql, lock, rules, why }) =>
      `| ${sql} | ${lock} | ${rules.length > 0 ? rules.map((rule) => `\`${rule}\``).join(', ') : `nothing: ${why}`} |`,
  );
  return [...rows, Object.values(HARMLESS_STATEMENTS).join('; ')];
}

function alterTable(): Verdict[] {
  // What PostgreSQL makes of a command itself stands in parentheses: nobody writes it.
  return Object.values(ALTER_TABLE).filter(({ sql }) => !sql.startsWith('('));
}
