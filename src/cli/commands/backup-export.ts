import { type ExportReport, ExportService } from '../../backup/export/export.service.js';
import { counted, formatBytes } from '../../core/text.js';
import { alignColumns, notRecordedLines } from '../render.js';
import type { Verb } from '../verb.js';

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
    return { json: report, text: renderReport(report) };
  },
};

function renderReport(report: ExportReport): string {
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
