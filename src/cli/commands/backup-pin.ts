import { BackupService } from '../../backup/backup.service.js';
import type { PinReport } from '../../backup/backup.types.js';
import { notRecordedLines } from '../render.js';
import type { Verb } from '../verb.js';

/** `pgkeep backup pin NAME [--because TEXT]`: retention keeps this backup until it is unpinned. */
export const backupPinVerb: Verb = {
  declare: (command) =>
    command
      .argument('<name>', 'the backup’s name, or one of its files')
      .option('--because <text>', 'the reason, for the audit log'),
  run: async (app, [name = ''], { because }) => {
    const options = { because: typeof because === 'string' ? because : undefined };
    const report = await app.get(BackupService).pin(name, options);
    return { json: report, text: renderReport(report) };
  },
};

/** `pgkeep backup unpin NAME`: the retention rules apply to this backup again. */
export const backupUnpinVerb: Verb = {
  declare: (command) => command.argument('<name>', 'the backup’s name, or one of its files'),
  run: async (app, [name = '']) => {
    const report = await app.get(BackupService).unpin(name);
    return { json: report, text: renderReport(report) };
  },
};

function renderReport(report: PinReport): string {
  const { name, pinned, changed } = report;
  const state = pinned
    ? `${changed ? 'Pinned' : 'Already pinned:'} ${name}. Retention keeps it until \`pgkeep backup unpin\`.`
    : `${changed ? 'Unpinned' : 'Not pinned:'} ${name}. The retention rules apply to it.`;
  return [state, ...notRecordedLines(report)].join('\n');
}
