import { counted } from '../../core/text.js';
import type { PolicyCheck } from '../../policy/check-policy.js';
import { isInForce } from '../../policy/judge-policy.js';
import { PolicyService } from '../../policy/policy.service.js';
import { PrivacyService } from '../../privacy/privacy.service.js';
import type { AnonymizationTry } from '../../privacy/try-anonymization.js';
import { EXIT } from '../errors.js';
import { renderApplied, renderPolicy, renderPolicyPlan, renderRemoval } from '../policy-text.js';
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
