import { Option } from 'commander';
import { BackupService } from '../../backup/backup.service.js';
import { BACKUP_REASONS, type BackupReport } from '../../backup/backup.types.js';
import { withoutText } from '../../backup/omissions.js';
import { counted, formatBytes, formatSeconds } from '../../core/text.js';
import { showProgress } from '../progress.js';
import { notRecordedLines } from '../render.js';
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
    return { json: report, text: renderReport(report) };
  },
};

function renderReport(report: BackupReport): string {
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
