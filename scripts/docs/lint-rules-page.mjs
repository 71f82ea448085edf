// docs/lint-rules.md: the rules, and every command with its lock and the rules that check it.
import { ALTER_TABLE, STATEMENTS } from '../../dist/migrations/lint/command-locks.js';
import { RULES } from '../../dist/migrations/lint/rules/all-rules.js';
import { fillParts, table } from './markdown.mjs';

/** @type {import('./pages.mjs').Page} */
export const lintRulesPage = {
  file: 'docs/lint-rules.md',
  render: (current) => fillParts(current, { rules: rules(), commands: commands() }),
};

const SEVERITIES = { error: 'error', warning: 'warning', info: 'remark' };

function rules() {
  return [ruleTable(), ...RULES.map(section)].join('\n\n');
}

function ruleTable() {
  return table(
    ['rule', 'severity', 'finds'],
    RULES.map(({ id, severity, summary, largeTablesOnly }) => [
      `[\`${id}\`](#${id})${largeTablesOnly ? ' °' : ''}`,
      SEVERITIES[severity],
      summary,
    ]),
  );
}

/** @param {(typeof RULES)[number]} rule */
function section({ id, severity, otherwise, summary, details, breaks, instead, largeTablesOnly }) {
  return [
    `### \`${id}\``,
    `${summary}.${details === undefined ? '' : ` ${details}`}`,
    [
      `- Severity: ${SEVERITIES[severity]}${otherwise === undefined ? '' : `; ${otherwise}`}`,
      ...(largeTablesOnly ? ['- Tables: large ones, and those of unknown size'] : []),
      `- What breaks: ${breaks}`,
      `- Instead: ${instead}`,
    ].join('\n'),
  ].join('\n\n');
}

function commands() {
  const statements = Object.entries(STATEMENTS).map(describe);
  // Commands that PostgreSQL derives itself are in parentheses: no one can write them.
  const alters = Object.entries(ALTER_TABLE)
    .map(describe)
    .filter(({ sql }) => !sql.startsWith('('));
  const isUnchecked = (/** @type {ReturnType<typeof describe>} */ { lock, checkedBy, note }) =>
    lock === 'none' && checkedBy.length === 0 && note === '';
  const unchecked = statements.filter(isUnchecked).map(({ sql }) => sql);
  return [
    commandTable(statements.filter((one) => !isUnchecked(one))),
    'ALTER TABLE:',
    commandTable(alters),
    'No rule checks these: they lock no table in use for longer than a moment, remove no row, and weaken no protection that is visible in the file.',
    `${unchecked.join('; ')}.`,
  ].join('\n\n');
}

/** @param {[string, import('../../dist/migrations/lint/command-locks.js').CommandLock]} command */
function describe([name, { sql, lock, note }]) {
  const checkedBy = RULES.filter(({ on = [] }) => on.some((command) => command === name)).map(({ id }) => id);
  return { sql, lock, note, checkedBy };
}

/** @param {readonly ReturnType<typeof describe>[]} described */
function commandTable(described) {
  return table(
    ['command', 'lock', 'checked by'],
    described.map(({ sql, lock, checkedBy, note }) => {
      const names = checkedBy.map((id) => `\`${id}\``).join(', ');
      return [sql, lock, names === '' ? `nothing: ${note}` : [names, note].filter(Boolean).join('; ')];
    }),
  );
}
