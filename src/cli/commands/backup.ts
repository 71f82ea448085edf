import { Option } from 'commander';
import { BackupService } from '../../backup/backup.service.js';
import { BACKUP_REASONS, type BackupReport } from '../../backup/backup.types.js';
import { withoutText } from '../../backup/omission-texts.js';
import { counted } from '../../core/counted.js';
import { notRecordedLines } from '../render.js';
import { formatBytes, formatSeconds } from '../format.js';
import { showProgress } from '../progress.js';
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
  const proof = report.notChecked.length === 0 ? 'read back whole' : 'read back whole, not opened';
  const [, ...copies] = report.locations;
  return [
    ...cleared.map((left) => `Cleared away what a killed run left: ${left}`),
    `${name}: ${counted(rows, 'row')} of ${counted(tables, 'table')}, ${formatBytes(bytes)}${report.encrypted ? ' encrypted' : ''}, in ${formatSeconds(durationMs)}; ${proof}${withoutText(report.without)}.`,
    `  archive   ${archive}`,
    `  manifest  ${manifest}`,
    ...copies.map((location) => `  copy      ${location}, read back whole`),
    `  sha256    ${sha256}`,
    ...report.warnings.map((warning) => `  WARNING   ${warning}`),
    ...report.notChecked.map((text) => `  not opened: ${text}`),
    ...report.notes.map((note) => `  note: ${note}`),
    ...notRecordedLines(report),
  ].join('\n');
}
