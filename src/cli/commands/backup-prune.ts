import { PgkeepError } from '../../core/errors.js';
import { RetentionService } from '../../retention/retention.service.js';
import type { PruneReport } from '../../retention/retention.types.js';
import { alignColumns, notRecordedLines } from '../render.js';
import type { Verb } from '../verb.js';

/** `pgkeep backup prune [--dry-run] [--simulate N]`: removes the backups that the retention rules do not keep. */
export const backupPruneVerb: Verb = {
  declare: (command) =>
    command
      .option('--dry-run', 'show the plan and its reasons, remove nothing')
      .option('--simulate <count>', 'show which of so many daily backups would remain; looks at no backup'),
  run: async (app, _parameters, { dryRun, simulate }) => {
    const retention = app.get(RetentionService);
    if (simulate !== undefined) {
      const remaining = retention.simulate(wholeNumber(String(simulate))).map(({ name }) => name);
      return {
        json: { remaining },
        text: [`${remaining.length} of ${String(simulate)} daily backups would remain:`, ...remaining].join(
          '\n',
        ),
      };
    }
    const report = await retention.prune({ dryRun: dryRun === true });
    return { json: report, text: renderReport(report) };
  },
};

function wholeNumber(text: string): number {
  const count = Number(text);
  if (Number.isInteger(count) && count >= 1 && count <= 10_000) return count;
  throw new PgkeepError('USAGE_INVALID', `--simulate must be an integer from 1 to 10000, not "${text}".`);
}

function renderReport(report: PruneReport): string {
  const { keep, remove, foreign, dryRun } = report;
  const action = dryRun ? 'would remove' : 'removed';
  return [
    ...alignColumns([
      ...keep.map(({ name, because }) => ['keep', name, because.join(', ')]),
      ...remove.map((name) => [action, name]),
      ...foreign.map((name) => [
        'left alone',
        name,
        'made by another database server (its system identifier differs)',
      ]),
    ]),
    `${keep.length} kept, ${remove.length} ${dryRun ? 'to be removed' : 'removed'}.`,
    ...notRecordedLines(report),
  ].join('\n');
}
