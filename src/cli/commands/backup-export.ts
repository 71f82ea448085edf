import { ExportService } from '../../backup/export/export.service.js';
import type { ExportReport } from '../../backup/export/export.types.js';
import { counted } from '../../core/counted.js';
import { alignColumns, notRecordedLines } from '../render.js';
import { formatBytes } from '../format.js';
import type { Verb } from '../verb.js';

/** `pgkeep backup export TABLE... [--directory DIR]`: named tables as CSV, all of one moment. */
export const backupExportVerb: Verb = {
  declare: (command) =>
    command
      .argument('<table...>', 'table or schema.table')
      .option('--directory <directory>', 'where to; default: a fresh one below the working directory'),
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
    `Not encrypted: whoever reads ${directory} reads the rows.`,
    ...notRecordedLines(report),
  ].join('\n');
}
