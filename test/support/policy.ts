import { readFileSync } from 'node:fs';
import { planPolicy, tableSql, triggersOf, triggerSql } from '../../src/policy/plan-policy.js';
import { installFunctions } from '../../src/policy/policy-functions.js';
import { readPrismaSchema } from '../../src/prisma-schema/read-prisma-schema.js';
import { readRules, type Rules } from '../../src/prisma-schema/rules.js';
import { query } from './clinic.js';

/** The Prisma schema of the clinic, with the rules for its rows. */
export const CLINIC_SCHEMA = 'examples/clinic/prisma/schema.prisma';

/** Returns the rules that a Prisma schema declares. */
export function rulesOf(text: string): Rules {
  return readRules(readPrismaSchema([{ path: 'schema.prisma', text }]));
}

/** Returns the rules of the clinic. */
export function clinicRules(): Rules {
  return rulesOf(readFileSync(CLINIC_SCHEMA, 'utf8'));
}

/** Puts the rules of a Prisma schema on the tables of a database that has schema `pgkeep`. No table is sealed. */
export async function applyRules(url: string, rules: Rules = clinicRules()): Promise<void> {
  const triggers = planPolicy(rules, 'public').flatMap((rule) =>
    triggersOf(rule, { isSealed: false, isPartitioned: false }).flatMap((trigger) =>
      triggerSql(trigger, tableSql(rule)),
    ),
  );
  await query(url, [...installFunctions(), ...triggers].join('\n'));
}
