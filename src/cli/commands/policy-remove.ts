import { PolicyService } from '../../policy/policy.service.js';
import { renderRemoval } from '../policy-text.js';
import type { Verb } from '../verb.js';

/** `pgkeep policy remove TABLE --because TEXT`: removes the triggers of one table, recorded. */
export const policyRemoveVerb: Verb = {
  declare: (command) =>
    command
      .argument('<table>', 'the table, `schema.table` or `table`, or its model')
      .requiredOption('--because <text>', 'why, for the audit log')
      .option('--confirm <table>', 'the table’s name typed again: required in production'),
  run: async (app, [table = ''], { because, confirm }) => {
    const report = await app.get(PolicyService).remove(table, {
      because: String(because),
      confirm: typeof confirm === 'string' ? confirm : undefined,
    });
    return { json: report, text: renderRemoval(report) };
  },
};
