import { Option } from 'commander';
import { BackupService } from '../../backup/backup.service.js';
import {
  BACKUP_REASONS,
  type BackupEntry,
  type BackupList,
  type BackupReport,
  type GlobalsReport,
  type PinReport,
  type UploadReport,
} from '../../backup/backup.types.js';
import { type ExportReport, ExportService } from '../../backup/export/export.service.js';
import { GlobalsService } from '../../backup/globals/globals.service.js';
import { withoutText } from '../../backup/omissions.js';
import { counted, formatBytes, formatSeconds, formatTime } from '../../core/text.js';
import { showProgress } from '../progress.js';
import { alignColumns, notRecordedLines } from '../render.js';
import type { Verb } from '../verb.js';

/** `pgkeep backup`: makes one backup. */
export const backupVerb: Verb = {
  declare: (command) =>
    command.addOption(
      new Option('--reason <reason>', 'why it is made').choices(BACKUP_REASONS).default('manual'),
    ),
  shutsDownGracefully: true,
  run: async (app, _parameters, options, signal, terminal) => {
    const reason = BACKUP_REASONS.find((known) => known === options['reason']) ?? 'manual';
    const progress = showProgress(terminal);
    const asked = { reason, signal, onProgress: progress.listener };
    const report = await app.get(BackupService).create(asked).finally(progress.end);
    return { json: report, text: renderBackup(report) };
  },
};

function renderBackup(report: BackupReport): string {
  const { name, archive, manifest, bytes, sha256, tables, rows, durationMs, cleared } = report;
  const verification =
    report.notChecked.length === 0 ? 'verified' : 'every byte verified, contents not checked';
  const [, ...copies] = report.locations;
  return [
    ...cleared.map((left) => `Removed an unfinished backup: ${left}`),
    `${name}: ${counted(rows, 'row')} of ${counted(tables, 'table')}, ${formatBytes(bytes)}${report.encrypted ? ' encrypted' : ''}, in ${formatSeconds(durationMs)}; ${verification}${withoutText(report.without)}.`,
    `  archive   ${archive}`,
    `  manifest  ${manifest}`,
    ...copies.map((location) => `  copy      ${location}, verified`),
    `  sha256    ${sha256}`,
    ...report.warnings.map((warning) => `  WARNING   ${warning}`),
    ...report.notChecked.map((text) => `  not checked: ${text}`),
    ...report.notes.map((note) => `  note: ${note}`),
    ...notRecordedLines(report),
  ].join('\n');
}

/** `pgkeep backup list`: the committed backups, the newest first. */
export const backupListVerb: Verb = {
  declare: (command) => command,
  run: async (app) => {
    const list = await app.get(BackupService).list();
    return { json: list, text: renderList(list) };
  },
};

function renderList({ backups, unreadable, unreachable }: BackupList): string {
  const rows = [
    ['backup', 'finished (UTC)', 'size', 'reason', 'restore test', 'where'],
    ...backups.map(rowOf),
  ];
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

function rowOf(entry: BackupEntry): string[] {
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

/** `pgkeep backup pin NAME [--because TEXT]`: retention keeps this backup until it is unpinned. */
export const backupPinVerb: Verb = {
  declare: (command) =>
    command
      .argument('<name>', 'the backup’s name, or one of its files')
      .option('--because <text>', 'the reason, for the audit log'),
  run: async (app, [name = ''], { because }) => {
    const options = { because: typeof because === 'string' ? because : undefined };
    const report = await app.get(BackupService).pin(name, options);
    return { json: report, text: renderPin(report) };
  },
};

/** `pgkeep backup unpin NAME`: the retention rules apply to this backup again. */
export const backupUnpinVerb: Verb = {
  declare: (command) => command.argument('<name>', 'the backup’s name, or one of its files'),
  run: async (app, [name = '']) => {
    const report = await app.get(BackupService).unpin(name);
    return { json: report, text: renderPin(report) };
  },
};

function renderPin(report: PinReport): string {
  const { name, pinned, changed } = report;
  const state = pinned
    ? `${changed ? 'Pinned' : 'Already pinned:'} ${name}. Retention keeps it until \`pgkeep backup unpin\`.`
    : `${changed ? 'Unpinned' : 'Not pinned:'} ${name}. The retention rules apply to it.`;
  return [state, ...notRecordedLines(report)].join('\n');
}

/** `pgkeep backup upload [NAME]`: copies a backup to the buckets, or every backup that a bucket does not have. */
export const backupUploadVerb: Verb = {
  declare: (command) => command.argument('[name]', 'the backup’s name, or one of its files; without: all'),
  shutsDownGracefully: true,
  run: async (app, [name], _options, signal) => {
    const report = await app.get(BackupService).upload(name, { signal });
    return { json: report, text: renderUpload(report) };
  },
};

function renderUpload({ backups, cleared }: UploadReport): string {
  return [
    ...cleared.map((left) => `Removed an unfinished upload: ${left}`),
    ...backups.map(({ name, locations }) => `${name} is in ${locations.join(' and ')}, verified.`),
    ...(backups.length === 0 ? ['Every bucket has every backup.'] : []),
  ].join('\n');
}

/** `pgkeep backup export TABLE... [--directory DIR]`: exports tables as CSV from one snapshot. */
export const backupExportVerb: Verb = {
  declare: (command) =>
    command
      .argument('<table...>', 'table or schema.table')
      .option('--directory <directory>', 'target directory (default: a new one below the working directory)'),
  shutsDownGracefully: true,
  run: async (app, tables, { directory }, signal) => {
    const options = { directory: typeof directory === 'string' ? directory : undefined, signal };
    const report = await app.get(ExportService).export(tables, options);
    return { json: report, text: renderExport(report) };
  },
};

function renderExport(report: ExportReport): string {
  const { directory, tables } = report;
  const rows = tables.map(({ name, rows: count, bytes, file }) => [
    name,
    counted(count, 'row'),
    formatBytes(bytes),
    file,
  ]);
  return [
    ...alignColumns(rows, [1, 2]),
    `These files are not encrypted: anyone who can read ${directory} can read the rows.`,
    ...notRecordedLines(report),
  ].join('\n');
}

/** `pgkeep backup globals`: dumps roles, memberships and tablespaces into the backup directory. */
export const backupGlobalsVerb: Verb = {
  declare: (command) => command,
  shutsDownGracefully: true,
  run: async (app, _parameters, _options, signal) => {
    const report = await app.get(GlobalsService).dump({ signal });
    return { json: report, text: renderGlobals(report) };
  },
};

function renderGlobals(report: GlobalsReport): string {
  const { file, bytes, sha256, roles, tablespaces, passwords, encrypted } = report;
  const plain = encrypted ? 'globals.sql' : file;
  return [
    `${counted(roles, 'role')} and ${counted(tablespaces, 'tablespace')}, ${formatBytes(bytes)}${encrypted ? ' encrypted' : ''}; verified.`,
    `  file    ${file}`,
    `  sha256  ${sha256}`,
    passwords
      ? 'It contains the password hashes.'
      : 'It does NOT contain the password hashes, because this role may not read them. Set the passwords after a restore.',
    'To create them on a new server before a restore, run as a superuser (errors about existing roles are harmless):',
    ...(encrypted ? [`  age --decrypt --identity KEY --output ${plain} ${file}`] : []),
    `  psql --dbname postgres --file ${plain}`,
    ...notRecordedLines(report),
  ].join('\n');
}
