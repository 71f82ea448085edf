import { type Command, Option } from 'commander';
import { PgkeepError } from '../../core/errors.js';
import { MonitoringService } from '../../monitoring/monitoring.service.js';
import {
  type MonitoringFinding,
  type MonitoringReport,
  SEVERITIES,
} from '../../monitoring/monitoring.types.js';
import { MONITORING_CODES } from '../../monitoring/probes.js';
import { EXIT } from '../errors.js';
import { changeLines, findingLines, headOf, renderReport, summaryOf } from '../monitor-text.js';
import type { Answer } from '../run-verb.js';
import type { Terminal } from '../terminal.js';
import type { Verb } from '../verb.js';

const DEFAULT_SECONDS = 2;
const MOST_SECONDS = 3600;

/**
 * `pgkeep monitor [--watch [SECONDS]] [--fail-on SEVERITY] [--only CODE,…]`: looks at the database, once or again and
 * again. Exit 1 where something needs action.
 */
export const monitorVerb: Verb = {
  shutsDownGracefully: true,
  declare: (command: Command) =>
    command
      .addOption(
        new Option('--fail-on <severity>', 'exit 1 from this severity on')
          .choices(SEVERITIES)
          .default('warning'),
      )
      .option('--only <codes>', 'report only these codes, separated by commas')
      .option(
        '--watch [seconds]',
        `look again every ${DEFAULT_SECONDS} seconds, or as often as given; q ends it. Without a terminal it prints one line for each change`,
      ),
  run: async (app, _parameters, { failOn, only, watch, json }, signal, terminal) => {
    const codes = typeof only === 'string' ? codesOf(only) : undefined;
    const service = app.get(MonitoringService);
    const answer = (report: MonitoringReport, text: string): Answer => {
      const level = SEVERITIES.findIndex((severity) => severity === failOn);
      const urgent = report.findings.filter(({ severity }) => SEVERITIES.indexOf(severity) <= level);
      return { json: report, text, exitCode: urgent.length === 0 ? EXIT.done : EXIT.failed };
    };
    if (watch === undefined) {
      const report = withOnly(await service.look(signal), codes);
      return answer(report, renderReport(report));
    }
    if (json === true) {
      throw new PgkeepError('USAGE_INVALID', '--watch prints no JSON.', {
        hint: 'Run `pgkeep monitor --json` again and again instead.',
      });
    }
    const periodMs = secondsOf(watch) * 1000;
    const last = await watchDatabase(service, { periodMs, codes, signal, terminal });
    if (last === undefined) throw new PgkeepError('DATABASE_UNREACHABLE', 'The database did not answer.');
    return answer(last, summaryOf(last));
  },
};

interface Watching {
  readonly periodMs: number;
  readonly codes: ReadonlySet<string> | undefined;
  readonly signal: AbortSignal;
  readonly terminal: Terminal;
}

/** Shows each look until a signal, or q. @returns the last report; undefined if there was none. */
async function watchDatabase(
  service: MonitoringService,
  { periodMs, codes, signal, terminal }: Watching,
): Promise<MonitoringReport | undefined> {
  const { screen, out } = terminal;
  const ended = new AbortController();
  let last: MonitoringReport | undefined;
  let shown: readonly MonitoringFinding[] | undefined;
  screen?.open((key) => {
    if (key === 'q') ended.abort();
  });
  try {
    for await (const looked of service.watch(periodMs, AbortSignal.any([signal, ended.signal]))) {
      if (signal.aborted || ended.signal.aborted) break;
      if ('report' in looked) last = withOnly(looked.report, codes);
      const isDown = 'finding' in looked;
      const at = isDown ? looked.at : new Date(looked.report.sampledAt);
      const findings = isDown ? [looked.finding] : (last?.findings ?? []);
      if (screen) {
        const text = isDown ? findingLines(looked.finding) : renderReport(last ?? looked.report).split('\n');
        screen.draw([
          `${at.toISOString().slice(11, 19)} UTC, every ${periodMs / 1000} s. q ends.`,
          '',
          ...text,
        ]);
        continue;
      }
      if (shown === undefined && last) out(headOf(last));
      for (const line of changeLines(shown ?? [], findings, at)) out(line);
      shown = findings;
    }
  } finally {
    screen?.close();
  }
  return last;
}

/** @throws PgkeepError `USAGE_INVALID`. */
function secondsOf(watch: unknown): number {
  const seconds = watch === true ? DEFAULT_SECONDS : Number(watch);
  if (seconds >= 1 && seconds <= MOST_SECONDS) return seconds;
  throw new PgkeepError(
    'USAGE_INVALID',
    `--watch ${String(watch)}: the seconds must be a number from 1 to ${MOST_SECONDS}.`,
  );
}

/** @throws PgkeepError `USAGE_INVALID` for a code that no probe has: a report without it would look healthy. */
function codesOf(only: string): ReadonlySet<string> {
  const codes = only.split(',').map((code) => code.trim().toUpperCase());
  const unknown = codes.filter((code) => !MONITORING_CODES.includes(code));
  if (unknown.length === 0) return new Set(codes);
  throw new PgkeepError('USAGE_INVALID', `Unknown code in --only: ${unknown.join(', ')}.`, {
    hint: `The codes are ${MONITORING_CODES.join(', ')}.`,
  });
}

function withOnly(report: MonitoringReport, codes: ReadonlySet<string> | undefined): MonitoringReport {
  if (!codes) return report;
  return {
    ...report,
    findings: report.findings.filter(({ code }) => codes.has(code)),
    codes: codes.size,
  };
}
