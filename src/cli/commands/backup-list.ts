import { BackupService } from '../../backup/backup.service.js';
import type { BackupEntry, BackupList } from '../../backup/backup.types.js';
import { counted, formatBytes, formatTime } from '../../core/text.js';
import { alignColumns } from '../render.js';
import type { Verb } from '../verb.js';

/** `pgkeep backup list`: the committed backups, the newest first. */
export const backupListVerb: Verb = {
  declare: (command) => command,
  run: async (app) => {
    const list = await app.get(BackupService).list();
    return { json: list, text: renderList(list) };
  },
};

function renderList({ backups, unreadable, unreachable }: BackupList): string {
  const rows = [['backup', 'finished (UTC)', 'size', 'reason', 'restore test', 'where'], ...backups.map(row)];
  return [
    ...(backups.length > 0
      ? alignColumns(rows, [2])
      : unreachable.length > 0
        ? ['No backups found.']
        : ['No backups yet. Run `pgkeep backup` to make one.']),
    ...unreadable.map((key) => `Not listed, because it is not a readable manifest: ${key}`),
    ...unreachable.map(({ message }) => `The list is incomplete: ${message}`),
  ].join('\n');
}

function row(entry: BackupEntry): string[] {
  const { name, finishedAt, bytes, reason, restoreTest, without, locations, pinned } = entry;
  const what = counted(without.length, 'part');
  return [
    pinned ? `${name} (pinned)` : name,
    formatTime(finishedAt),
    formatBytes(bytes),
    reason,
    restoreTest === 'passed' && without.length > 0 ? `passed, without ${what}` : (restoreTest ?? 'none'),
    locations.join(', '),
  ];
}
