import { BackupService } from '../../backup/backup.service.js';
import type { VerificationReport } from '../../backup/backup.types.js';
import { withoutText } from '../../backup/omissions.js';
import { EXIT } from '../errors.js';
import { showProgress } from '../progress.js';
import type { Verb } from '../verb.js';

/** `pgkeep backup verify NAME`: verifies every byte of every copy of one backup; exit 1 if a copy is damaged. */
export const backupVerifyVerb: Verb = {
  declare: (command) => command.argument('<name>', 'the backup’s name, or one of its files'),
  shutsDownGracefully: true,
  run: async (app, [name = ''], _options, signal, terminal) => {
    const progress = showProgress(terminal);
    const options = { signal, onProgress: progress.listener };
    const report = await app.get(BackupService).verify(name, options).finally(progress.end);
    return {
      json: report,
      text: renderReport(report),
      exitCode: report.verdict === 'passed' ? EXIT.done : EXIT.failed,
    };
  },
};

function renderReport({
  name,
  verdict,
  without,
  findings,
  locations,
  notChecked,
}: VerificationReport): string {
  const gaps = notChecked.map((text) => `  not checked: ${text}`);
  const several = locations.length > 1;
  if (verdict === 'passed') {
    const where = several ? `, in ${locations.join(' and in ')}` : '';
    if (gaps.length === 0) {
      return `${name} passed verification: every byte is as it was dumped, and the archive is complete${where}${withoutText(without)}.`;
    }
    return [
      `${name}: every byte is as it was stored${where}${withoutText(without)}. Its contents were NOT checked:`,
      ...gaps,
    ].join('\n');
  }
  const faulty = new Set(findings.map(({ location }) => location));
  const good = locations.filter((location) => !faulty.has(location));
  return [
    good.length > 0
      ? `${name} FAILED verification in ${[...faulty].join(' and in ')}. Use only the copy in ${good.join(' or in ')}.`
      : `${name} FAILED verification. Do not use this backup.`,
    ...findings.map(
      ({ location, code, details }) => `  ${several ? `${location}: ` : ''}${details} [${code}]`,
    ),
    ...gaps,
  ].join('\n');
}
