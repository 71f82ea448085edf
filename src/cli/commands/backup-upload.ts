import { BackupService } from '../../backup/backup.service.js';
import type { UploadReport } from '../../backup/backup.types.js';
import type { Verb } from '../verb.js';

/** `pgkeep backup upload [NAME]`: copies a backup to the buckets, or every backup that a bucket does not have. */
export const backupUploadVerb: Verb = {
  declare: (command) => command.argument('[name]', 'the backup’s name, or one of its files; without: all'),
  shutsDownGracefully: true,
  run: async (app, [name], _options, signal) => {
    const report = await app.get(BackupService).upload(name, { signal });
    return { json: report, text: renderReport(report) };
  },
};

function renderReport({ backups, cleared }: UploadReport): string {
  return [
    ...cleared.map((left) => `Removed an unfinished upload: ${left}`),
    ...backups.map(({ name, locations }) => `${name} is in ${locations.join(' and ')}, verified.`),
    ...(backups.length === 0 ? ['Every bucket has every backup.'] : []),
  ].join('\n');
}
