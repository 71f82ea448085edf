import { boundedList, counted, formatBytes } from '../../core/text.js';
import { StatsService } from '../../stats/stats.service.js';
import type { DatabaseStats } from '../../stats/stats.types.js';
import { alignColumns } from '../render.js';
import type { Verb } from '../verb.js';

/** `pgkeep stats [--exact]`: shows sizes, rows and connections. */
export const statsVerb: Verb = {
  declare: (command) =>
    command.option('--exact', 'count the rows of every table, within one statement timeout'),
  run: async (app, _parameters, { exact }) => {
    const stats = await app.get(StatsService).collect(exact ? 'exact' : 'estimated');
    return { json: stats, text: renderStats(stats) };
  },
};

function renderStats({ sizeBytes, tableCount, tables, connections }: DatabaseStats): string {
  const heading = ['table', 'rows', 'size', 'indexes', 'dead rows', 'last vacuum', 'last analyze'];
  const rows = tables.map((table) => [
    table.name,
    `${table.rowCountIsExact ? '' : '~'}${table.rowCount.toLocaleString('en')}`,
    `${table.sizesAreExact ? '' : '~'}${formatBytes(table.totalBytes)}`,
    `${table.sizesAreExact ? '' : '~'}${formatBytes(table.indexBytes)}`,
    table.deadRows === null ? '-' : table.deadRows.toLocaleString('en'),
    table.lastVacuumAt?.slice(0, 16) ?? 'never',
    table.lastAnalyzeAt?.slice(0, 16) ?? 'never',
  ]);
  const lines = [
    `${formatBytes(sizeBytes)} in ${counted(tableCount, 'table')}; ${connections.used} of ${connections.max} connections in use`,
    '',
    ...alignColumns([heading, ...rows], [1, 2, 3, 4]),
  ];
  if (tables.some(({ countTimedOut }) => countTimedOut))
    lines.push('', '~ with --exact: counting reached the statement timeout.');
  const locked = tables.filter((table) => table.locked);
  if (locked.length > 0) {
    const names = boundedList(locked.map(({ name }) => name));
    lines.push('', `~ locked by another session, and neither measured nor counted: ${names}.`);
  }
  return lines.join('\n');
}
