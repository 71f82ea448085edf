import { counted } from '../../core/counted.js';
import { BackupService } from '../../backup/backup.service.js';
import type { BackupEntry, BackupList } from '../../backup/backup.types.js';
import { alignColumns } from '../render.js';
import { formatBytes, formatTime } from '../format.js';
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
        ? ['No backup seen.']
        : ['No backup yet: `pgkeep backup` makes one.']),
    ...unreadable.map((key) => `Not readable as a manifest, and not listed: ${key}`),
    ...unreachable.map(({ message }) => `Not the whole list: ${message}`),
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
