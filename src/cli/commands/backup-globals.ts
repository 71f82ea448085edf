import type { GlobalsReport } from '../../backup/backup.types.js';
import { GlobalsService } from '../../backup/globals/globals.service.js';
import { counted } from '../../core/counted.js';
import { notRecordedLines } from '../render.js';
import { formatBytes } from '../format.js';
import type { Verb } from '../verb.js';

/** `pgkeep backup globals`: roles, memberships and tablespaces, beside the backups. */
export const backupGlobalsVerb: Verb = {
  declare: (command) => command,
  shutsDownGracefully: true,
  run: async (app, _parameters, _options, signal) => {
    const report = await app.get(GlobalsService).dump({ signal });
    return { json: report, text: renderReport(report) };
  },
};

function renderReport(report: GlobalsReport): string {
  const { file, bytes, sha256, roles, tablespaces, passwords, encrypted } = report;
  const plain = encrypted ? 'globals.sql' : file;
  return [
    `${counted(roles, 'role')} and ${counted(tablespaces, 'tablespace')}, ${formatBytes(bytes)}${encrypted ? ' encrypted' : ''}; read back whole.`,
    `  file    ${file}`,
    `  sha256  ${sha256}`,
    passwords
      ? 'The password hashes are in it.'
      : 'The password hashes are NOT in it, this role may not read them: set passwords anew after a restore.',
    'To a new server, as a superuser, before the restore (a role that exists already is no fault):',
    ...(encrypted ? [`  age --decrypt --identity KEY --output ${plain} ${file}`] : []),
    `  psql --dbname postgres --file ${plain}`,
    ...notRecordedLines(report),
  ].join('\n');
}
