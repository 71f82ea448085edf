import { PolicyService } from '../../policy/policy.service.js';
import { EXIT } from '../errors.js';
import { renderApplied, renderPolicyPlan } from '../policy-text.js';
import type { Verb } from '../verb.js';

/** `pgkeep policy apply [--dry-run]`: makes the database enforce the declared rules. Exit 1 if a table was passed over. */
export const policyApplyVerb: Verb = {
  prismaProject: 'all',
  declare: (command) => command.option('--dry-run', 'print the SQL and change nothing'),
  run: async (app, _parameters, { dryRun }) => {
    const policy = app.get(PolicyService);
    if (dryRun === true) {
      const plan = await policy.plan();
      return { json: plan, text: renderPolicyPlan(plan) };
    }
    const report = await policy.apply();
    const exitCode = report.passedOver.length === 0 ? EXIT.done : EXIT.failed;
    return { json: report, text: renderApplied(report), exitCode };
  },
};
