import { InvalidArgumentError, Option } from 'commander';
import { AuditLogService } from '../../audit-log/audit-log.service.js';
import type { AuditLogReport, ChainReport } from '../../audit-log/audit-log.types.js';
import { counted, printableCell } from '../../core/text.js';
import { EXIT } from '../errors.js';
import { alignColumns } from '../render.js';
import type { Verb } from '../verb.js';

/** `pgkeep changelog [--verify [--head HASH]] [--limit N]`: shows the audit log, or verifies it. */
export const changelogVerb: Verb = {
  declare: (command) =>
    command
      .option('--limit <number>', 'how many of the newest entries to show', wholeNumber, 20)
      .option('--verify', 'recompute the hash chain and report the first entry that does not fit')
      .addOption(
        new Option(
          '--head <hash>',
          'verify, and require this earlier head, which was kept outside of the database',
        )
          .argParser(hash)
          .implies({ verify: true }),
      ),
  run: async (app, _parameters, { limit, verify, head }) => {
    const changelog = app.get(AuditLogService);
    if (verify !== true) {
      const report = await changelog.list(Number(limit));
      return { json: report, text: renderEntries(report) };
    }
    const report = await changelog.verify(typeof head === 'string' ? head : undefined);
    const exitCode = report.verdict === 'whole' ? EXIT.done : EXIT.failed;
    return { json: report, text: renderChain(report), exitCode };
  },
};

function renderEntries({ total, entries }: AuditLogReport): string {
  if (total === 0) return 'Nothing was recorded yet.';
  const heading = ['entry', 'time', 'action', 'subject', 'role', 'actor', 'details'];
  const rows = entries.map(({ seq, recordedAt, action, subject, role, actor, details }) => [
    String(seq),
    recordedAt,
    action,
    subject,
    role,
    actor,
    JSON.stringify(details),
  ]);
  const lines = alignColumns([heading, ...rows.map((row) => row.map(printableCell))], [0]);
  if (entries.length < total)
    lines.push('', `The newest ${entries.length} of ${total} entries. To show more: --limit NUMBER.`);
  return lines.join('\n');
}

function renderChain({ verdict, entries, head, knownHead, findings }: ChainReport): string {
  if (verdict === 'broken')
    return [`${chainOf(entries)} is damaged:`, ...findings.map(({ text }) => `  ${text}`)].join('\n');
  if (head === null) return `${chainOf(0)} is intact: nothing was recorded yet, or everything was removed`;
  const known = knownHead === null ? '' : `; the given head is entry ${knownHead}`;
  return `${chainOf(entries)} is intact; head ${head}${known}`;
}

function chainOf(entries: number): string {
  return `chain of ${counted(entries, 'entry', 'entries')}`;
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Use an integer of at least 1.');
}

function hash(text: string): string {
  if (/^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  throw new InvalidArgumentError(
    'Use a hash that `pgkeep changelog --verify` printed: 64 hexadecimal digits.',
  );
}
