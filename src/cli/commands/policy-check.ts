import type { PolicyCheck } from '../../policy/check-policy.js';
import { counted } from '../../core/text.js';
import { PolicyService } from '../../policy/policy.service.js';
import { EXIT } from '../errors.js';
import type { Verb } from '../verb.js';

/** `pgkeep policy check`: checks the rules that the Prisma schema declares. Exit 1 if there are findings. */
export const policyCheckVerb: Verb = {
  databaseIsOptional: true,
  prismaProject: 'all',
  declare: (command) => command,
  run: async (app) => {
    const report = await app.get(PolicyService).check();
    const exitCode = report.findings.length === 0 ? EXIT.done : EXIT.failed;
    return { json: report, text: render(report), exitCode };
  },
};

function render({ models, findings }: PolicyCheck): string {
  const lines = findings.map(({ path, line, text }) => `${path}:${line}: ${text}`);
  if (lines.length > 0) return lines.join('\n');
  return models === 0
    ? 'The Prisma schema declares no rules. See docs/rows.md for the annotations.'
    : `The rules of ${counted(models, 'model')} are consistent.`;
}
