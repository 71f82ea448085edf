import { boundedList, counted, printableCell } from '../core/text.js';
import { isInForce } from '../policy/judge-policy.js';
import type { ApplyReport, PolicyPlan, PolicyShown, RemovalReport } from '../policy/policy.types.js';
import { alignColumns } from './render.js';

/** Renders the rules of a database, table by table. */
export function renderPolicy(report: PolicyShown): string {
  const { tables, database, isDeclared, differences } = report;
  if (tables.length === 0 && differences.length === 0) {
    return `${isDeclared ? 'The Prisma schema declares' : 'No Prisma schema was found, and the database has'} no rules. See docs/rows.md for the annotations.`;
  }
  const rows = tables.map((table) => [
    printableCell(table.name),
    table.rule,
    [...table.differences.map(({ text }) => text), ...table.notes]
      .map((text) => printableCell(text))
      .join('; ') || 'ok',
  ]);
  return [
    ...(rows.length === 0 ? [] : alignColumns([['table', 'rule', 'in the database'], ...rows])),
    ...differences.map(({ text }) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`),
    ...(isDeclared ? [] : ['No Prisma schema was found: these are the rules that were applied.']),
    ...(isInForce(report) || differences.length > 0
      ? []
      : [`Not in force as declared in database "${database}": run \`pgkeep policy apply\`.`]),
  ].join('\n');
}

/** Renders a plan as the SQL that would be executed. */
export function renderPolicyPlan({ database, functions, tables, ...plan }: PolicyPlan): string {
  const transaction = (title: string, statements: readonly string[]): string =>
    [
      `-- ${printableCell(title)}`,
      'BEGIN;',
      "SET LOCAL lock_timeout = '1s';",
      ...statements,
      'COMMIT;',
      '',
    ].join('\n');
  const changes = functions.length + tables.length;
  return [
    `-- ${changes === 0 ? `Nothing to do: the rules of ${counted(plan.inForce, 'table')} are in force` : 'What `pgkeep policy apply` executes'} in database "${printableCell(database)}".`,
    ...plan.passedOver.map(({ name, why }) => `-- passed over: ${printableCell(`${name}: ${why}`)}`),
    ...(changes === 0 ? [] : ['']),
    ...(functions.length === 0 ? [] : [transaction('functions that all rules share', functions)]),
    ...tables.map(({ name, rule, statements }) =>
      transaction(`${name}: ${rule ?? 'no longer in the database'}`, statements),
    ),
  ]
    .join('\n')
    .trimEnd();
}

/** Renders what was applied, and what was not. */
export function renderApplied({
  database,
  applied,
  passedOver,
  open,
  notDeclared,
  ...report
}: ApplyReport): string {
  const enforced = applied.filter(({ rule }) => rule !== null);
  const forgotten = applied.filter(({ rule }) => rule === null);
  const isChange = applied.length > 0 || report.installedFunctions;
  return [
    isChange
      ? `Applied the policy to database "${database}": ${counted(enforced.length, 'table')} changed, ${report.inForce} in force already.`
      : `Nothing to do: the rules of ${counted(report.inForce, 'table')} are in force in database "${database}".`,
    ...alignColumns(
      enforced.map(({ name, rule, before, sealed }) => [
        `  ${printableCell(name)}`,
        rule ?? '',
        sealed ? 'sealed: INSERT is refused from now on' : before === null ? '' : 'applied again',
      ]),
    ),
    ...forgotten.map(
      ({ name }) => `  ${printableCell(name)} is no longer in the database: its record was removed`,
    ),
    ...open.map(
      (name) =>
        `  ${printableCell(name)} is open: it has no rows. Seed it, then run \`pgkeep policy apply\` again`,
    ),
    ...notDeclared.map(
      (name) =>
        `  ${printableCell(name)} is no longer declared, and still protected: \`pgkeep policy remove\` ends it`,
    ),
    ...(passedOver.length === 0
      ? []
      : [
          `Passed over ${counted(passedOver.length, 'table')}: ${boundedList(
            passedOver.map(({ name, why }) => printableCell(`${name} (${why})`)),
          )}. Run \`pgkeep policy apply\` again.`,
        ]),
  ].join('\n');
}

/** Renders the removal of a rule. */
export function renderRemoval({ database, table, rule }: RemovalReport): string {
  return `Removed: PostgreSQL no longer enforces the rule of ${printableCell(table)} (${rule ?? 'unknown'}) in database "${database}".
The next \`pgkeep policy apply\`, or deploy, enforces what the Prisma schema declares: to end it for good, remove the annotations as well.`;
}
