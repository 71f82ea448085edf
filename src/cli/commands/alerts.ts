import { type Command, InvalidArgumentError } from 'commander';
import { AlertsService, nameOf } from '../../alerts/alerts.service.js';
import type { Silence, SilenceReport, TestAlertReport } from '../../alerts/alerts.types.js';
import { operator } from '../../audit-log/append.js';
import { PgkeepError } from '../../core/errors.js';
import { formatTime, printableCell } from '../../core/text.js';
import { EXIT } from '../errors.js';
import { alignColumns, notRecordedLines } from '../render.js';
import type { Verb } from '../verb.js';

/** `pgkeep monitor test-alert`: sends a test to every receiver. Exit 1 where one did not take it. */
export const testAlertVerb: Verb = {
  shutsDownGracefully: true,
  declare: (command) => command,
  run: async (app, _parameters, _options, signal) => {
    const report = await app.get(AlertsService).test(operator(), signal);
    const areAllDelivered = report.receivers.every(({ delivered }) => delivered);
    return {
      json: report,
      text: renderTest(report),
      exitCode: areAllDelivered ? EXIT.done : EXIT.failed,
    };
  },
};

/** `pgkeep monitor silence CODE[:SUBJECT] --for 2h --because TEXT`: sends no such alerts for a while. */
export const silenceVerb: Verb = {
  declare: (command) =>
    withFor(command.argument('<alert>', 'a code, or a code and a subject: BLOCKED:clinic-import')),
  run: async (app, [alert = ''], { for: seconds, because }) => {
    const [code = '', ...rest] = alert.split(':');
    const subject = rest.length === 0 ? undefined : rest.join(':');
    const report = await app.get(AlertsService).silence({
      code,
      subject,
      seconds: Number(seconds),
      because: String(because),
      actor: operator(),
    });
    return { json: report, text: renderSilenced(report) };
  },
};

/** `pgkeep monitor silences`: lists the silences in force. */
export const silencesVerb: Verb = {
  declare: (command) => command,
  run: async (app) => {
    const silences = await app.get(AlertsService).silences();
    return { json: { silences }, text: renderSilences(silences) };
  },
};

/** `pgkeep monitor unsilence ID`: ends a silence. */
export const unsilenceVerb: Verb = {
  declare: (command) => command.argument('<id>', 'the number that `pgkeep monitor silences` shows'),
  run: async (app, [id = '']) => {
    const report = await app.get(AlertsService).unsilence(silenceId(id), operator());
    const { silence, entry } = report;
    const text = `The silence of ${printableCell(nameOf(silence))} has ended; entry ${entry} of the audit log.`;
    return { json: report, text };
  },
};

function withFor(command: Command): Command {
  return command
    .requiredOption('--for <time>', 'for how long: 30m, 2h, 3d', secondsOf)
    .requiredOption('--because <text>', 'why');
}

const UNITS = new Map([
  ['s', 1],
  ['m', 60],
  ['h', 3600],
  ['d', 86_400],
]);

function secondsOf(text: string): number {
  const [, count, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const seconds = UNITS.get(unit);
  if (count !== undefined && seconds !== undefined) return Number(count) * seconds;
  throw new InvalidArgumentError('Use a number and a unit: 30m, 2h, 3d.');
}

/** @throws PgkeepError `USAGE_INVALID`. */
function silenceId(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new PgkeepError('USAGE_INVALID', `"${text}" is not the number of a silence.`, {
    hint: '`pgkeep monitor silences` lists them.',
  });
}

function renderTest(report: TestAlertReport): string {
  const rows = report.receivers.map(({ receiver, delivered, durationMs, error, hint }) => [
    receiver,
    delivered
      ? `delivered in ${durationMs} ms`
      : ['FAILED:', error?.replace(`${receiver}: `, ''), hint].filter(Boolean).join(' '),
  ]);
  return [...alignColumns(rows), ...notRecordedLines(report)].join('\n');
}

function renderSilenced({ silence, entry }: SilenceReport): string {
  const { id, until } = silence;
  return `${printableCell(nameOf(silence))} is silenced until ${formatTime(until)} UTC; entry ${entry} of the audit log. To end it: pgkeep monitor unsilence ${id}`;
}

function renderSilences(silences: readonly Silence[]): string {
  if (silences.length === 0) return 'Nothing is silenced.';
  const rows = silences.map((silence) => [
    `${silence.id}`,
    printableCell(nameOf(silence)),
    `until ${formatTime(silence.until)} UTC`,
    `${printableCell(silence.by)}: ${printableCell(silence.because)}`,
  ]);
  return alignColumns(rows, [0]).join('\n');
}
