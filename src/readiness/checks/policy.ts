import { Injectable } from '@nestjs/common';
import { boundedList, counted } from '../../core/text.js';
import type { PolicyReport } from '../../policy/judge-policy.js';
import type { DatabaseFaultCode } from '../../postgres/database-fault.js';
import {
  defineCheck,
  outcomeInProduction,
  type CheckContext,
  type CheckOutcome,
  type CodeText,
  type Finding,
} from '../check.js';
import { CheckHealthIndicator } from '../health-indicator.js';

const APPLY = 'Run `pgkeep policy apply`.';

const CODES = {
  POLICY_MISSING: {
    meaning: 'A declared rule was never applied, or its table or column is not in the database.',
    remedy: 'Deploy the migrations, then run `pgkeep policy apply`; `pgkeep policy show` lists every table.',
  },
  POLICY_TRIGGER_OFF: {
    meaning:
      'A trigger that enforces a rule was dropped, disabled or changed, or it does not fire ALWAYS: rows can be deleted.',
    remedy: `${APPLY} Find out who did it: the server’s log, and \`pgkeep changelog\`.`,
  },
  POLICY_OUTDATED: {
    meaning:
      'What is enforced is not what the Prisma schema declares now, or the functions are of another version of pgkeep.',
    remedy: `${APPLY} A rule that is no longer declared stays until \`pgkeep policy remove\`.`,
  },
  POLICY_OPEN: {
    meaning:
      'A read-only table was empty when its rule was applied. It has rows now, and still takes new ones.',
    remedy: `${APPLY} It seals the table.`,
  },
  POLICY_TABLE_WITHOUT_RULE: {
    meaning: 'The datasource says `@pgkeep.everyModel`, and a table has no rule.',
    remedy: 'Declare one: `@pgkeep.neverDelete`, or another; `@pgkeep.deletable` allows everything.',
  },
  POLICY_OWNER_NULLABLE: {
    meaning: 'The column that leads from a row to its owner can be NULL: such a row belongs to no one.',
    remedy: 'Fill the rows without an owner, then make the column required, in a migration.',
  },
} as const satisfies Record<string, CodeText>;

type Code = keyof typeof CODES;

/** Reports the check `policy` in an application's own health check. */
@Injectable()
export class PolicyHealthIndicator extends CheckHealthIndicator {
  readonly name = 'policy';
}

export const policy = defineCheck({
  name: 'policy',
  question: 'Does the database enforce the rules for rows that are declared?',
  gate: 'enforce',
  restsOn: 'policy',
  codes: CODES,
  notes: `Fails in production only. The rules are those of the Prisma schema, where the service can read it; if it cannot, those
that were applied. See [rules for rows](rows.md). Reported without failing: a read-only table that has no rows yet, and
a partition that was made since the rules were applied.`,
  indicator: PolicyHealthIndicator,
  judge,
});

function judge(context: CheckContext): CheckOutcome<Code | DatabaseFaultCode> {
  const fact = context.facts.policy;
  if ('reason' in fact) {
    const { code, text } = fact.reason;
    return outcomeInProduction(context, 'not known', { failing: [{ code, text: `Not known: ${text}` }] });
  }
  const report = fact.value;
  const failing = findingsOf(report);
  const isFixable = failing.some(
    ({ code }) => code !== 'POLICY_TABLE_WITHOUT_RULE' && code !== 'POLICY_OWNER_NULLABLE',
  );
  const notes = report.tables.flatMap((table) => table.notes.map((note) => `${table.name}: ${note}`));
  return outcomeInProduction(context, summaryOf(report), {
    failing,
    notes: [
      ...notes,
      ...(isFixable ? ['`pgkeep policy show` lists every table, `pgkeep policy apply` fixes it'] : []),
    ],
  });
}

function summaryOf(report: PolicyReport): string {
  const { length } = report.tables;
  if (length === 0 && report.differences.length === 0) return 'no policy declared';
  return findingsOf(report).length === 0
    ? `${counted(length, 'table')}, every rule in force`
    : `rules for ${counted(length, 'table')}`;
}

/** Tables that differ in the same way are one finding. */
function findingsOf({ differences, tables }: PolicyReport): Finding<Code>[] {
  const names = new Map<string, { code: Code; text: string; tables: string[] }>();
  for (const table of tables) {
    for (const { code, text } of table.differences) {
      const same = names.get(text) ?? { code, text, tables: [] };
      same.tables.push(table.name);
      names.set(text, same);
    }
  }
  return [
    ...differences,
    ...[...names.values()].map(({ code, text, tables: named }) => ({
      code,
      text: `${boundedList(named)}: ${text}`,
    })),
  ];
}
