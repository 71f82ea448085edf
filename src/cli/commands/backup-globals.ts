import type { GlobalsReport } from '../../backup/backup.types.js';
import { GlobalsService } from '../../backup/globals/globals.service.js';
import { counted, formatBytes } from '../../core/text.js';
import { notRecordedLines } from '../render.js';
import type { Verb } from '../verb.js';

/** `pgkeep backup globals`: dumps roles, memberships and tablespaces into the backup directory. */
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
