import { isInForce } from '../../policy/judge-policy.js';
import { PolicyService } from '../../policy/policy.service.js';
import { EXIT } from '../errors.js';
import { renderPolicy } from '../policy-text.js';
import type { Verb } from '../verb.js';

/** `pgkeep policy show`: compares the declared rules with what the database enforces. Exit 1 where they differ. */
export const policyShowVerb: Verb = {
  prismaProject: 'all',
  declare: (command) => command,
  run: async (app) => {
    const report = await app.get(PolicyService).show();
    const exitCode = isInForce(report) ? EXIT.done : EXIT.failed;
    return { json: report, text: renderPolicy(report), exitCode };
  },
};
