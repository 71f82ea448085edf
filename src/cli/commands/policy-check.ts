import type { PolicyCheck } from '../../policy/check-policy.js';
import { counted } from '../../core/text.js';
import { PolicyService } from '../../policy/policy.service.js';
import { PrivacyService } from '../../privacy/privacy.service.js';
import type { AnonymizationTry } from '../../privacy/try-anonymization.js';
import { EXIT } from '../errors.js';
import type { Verb } from '../verb.js';

/** `pgkeep policy check [--try]`: checks the rules that the Prisma schema declares. Exit 1 if there are findings. */
export const policyCheckVerb: Verb = {
  databaseIsOptional: true,
  prismaProject: 'all',
  declare: (command) =>
    command.option(
      '--try',
      'anonymize rows of every table in the database, and roll back: constraints refuse now',
    ),
  run: async (app, _parameters, options) => {
    const check = await app.get(PolicyService).check();
    const tried = options['try'] === true ? await app.get(PrivacyService).tryAnonymization() : undefined;
    const findings = [...check.findings, ...(tried?.findings ?? [])];
    const report = { ...check, findings, ...(tried && { tried: tried.tried, empty: tried.empty }) };
    const exitCode = findings.length === 0 ? EXIT.done : EXIT.failed;
    return {
      json: report,
      text: [render(report), ...(tried ? [renderTry(tried)] : [])].join('\n'),
      exitCode,
    };
  },
};

function renderTry({ tried, empty }: AnonymizationTry): string {
  const without = empty.length === 0 ? '' : ` Without rows to try: ${empty.join(', ')}.`;
  return `Anonymized rows of ${tried.join(', ') || 'no model'}, and rolled back.${without}`;
}

function render({ models, findings }: PolicyCheck): string {
  const lines = findings.map(({ path, line, text }) => `${path}:${line}: ${text}`);
  if (lines.length > 0) return lines.join('\n');
  return models === 0
    ? 'The Prisma schema declares no rules. See docs/rows.md for the annotations.'
    : `The rules of ${counted(models, 'model')} are consistent.`;
}
