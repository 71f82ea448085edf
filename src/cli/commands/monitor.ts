import { Option } from 'commander';
import { counted, formatBytes, pluralOf, printable, printableCell } from '../../core/text.js';
import { PgkeepError } from '../../core/errors.js';
import { MONITORING_CODES } from '../../monitoring/probes.js';
import { MonitoringService } from '../../monitoring/monitoring.service.js';
import {
  type MonitoringFinding,
  type MonitoringReport,
  SEVERITIES,
  type Severity,
} from '../../monitoring/monitoring.types.js';
import { durationText } from '../../monitoring/probe-sql.js';
import { EXIT } from '../errors.js';
import { alignColumns } from '../render.js';
import type { Verb } from '../verb.js';

const SHOWN: Readonly<Record<Severity, string>> = { critical: 'CRITICAL', warning: 'warning', info: 'info' };

/** `pgkeep monitor [--fail-on SEVERITY] [--only CODE,…]`: looks at the database once. Exit 1 where something needs action. */
export const monitorVerb: Verb = {
  shutsDownGracefully: true,
  declare: (command) =>
    command
      .addOption(
        new Option('--fail-on <severity>', 'exit 1 from this severity on')
          .choices(SEVERITIES)
          .default('warning'),
      )
      .option('--only <codes>', 'report only these codes, separated by commas'),
  run: async (app, _parameters, { failOn, only }, signal) => {
    const codes = typeof only === 'string' ? codesOf(only) : undefined;
    const report = withOnly(await app.get(MonitoringService).look(signal), codes);
    const level = SEVERITIES.findIndex((severity) => severity === failOn);
    const urgent = report.findings.filter(({ severity }) => SEVERITIES.indexOf(severity) <= level);
    return {
      json: report,
      text: renderReport(report),
      exitCode: urgent.length === 0 ? EXIT.done : EXIT.failed,
    };
  },
};

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

function renderReport(report: MonitoringReport): string {
  const { database, environment, version, findings, unseen, codes } = report;
  const urgent = findings.filter(({ severity }) => severity !== 'info').length;
  return [
    `${printableCell(database)} (${environment}), PostgreSQL ${version}`,
    ...alignColumns(vitalRows(report)).map((line) => `  ${line}`),
    '',
    ...findings.flatMap((finding) => findingLines(finding)),
    ...unseen.map(({ probe, reason }) => `  unseen    ${probe}: ${printable(reason)}`),
    ...(findings.length + unseen.length === 0 ? [] : ['']),
    urgent === 0
      ? `Nothing needs attention; ${counted(codes, 'condition')} were looked for.`
      : `${counted(urgent, 'finding')} ${pluralOf(urgent, 'needs', 'need')} attention; ${counted(codes, 'condition')} were looked for.`,
  ].join('\n');
}

function findingLines({ code, severity, text, remedy, sql }: MonitoringFinding): string[] {
  const lines = [`  ${SHOWN[severity].padEnd(9)} ${printableCell(text)} [${code}]`];
  if (severity === 'info') return lines;
  return [
    ...lines,
    `            ${remedy}`,
    ...(sql ?? '')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => `            > ${printableCell(line)}`),
  ];
}

function vitalRows({ vitals, sessions, largest, statements }: MonitoringReport): string[][] {
  const connection = `${(vitals.connectMs ?? 0).toFixed(0)} ms to connect, ${(vitals.roundTripMs ?? 0).toFixed(1)} ms a round trip`;
  return [
    ['connection', connection],
    ...(sessions
      ? [
          [
            'sessions',
            `${sessions.total} of ${sessions.limit}: ${sessions.active} active, ${sessions.idle} idle, ${sessions.idleInTransaction} idle in transaction, ${sessions.waiting} waiting for a lock (${sessions.own} of pgkeep)`,
          ],
        ]
      : []),
    ...(vitals.statementsPerSecond === null
      ? []
      : [
          [
            'statements',
            `${vitals.statementsPerSecond.toFixed(1)} a second${vitals.meanStatementMs === null ? '' : `, ${vitals.meanStatementMs.toFixed(2)} ms on average`}; the longest has run for ${durationText(vitals.longestStatementSeconds ?? 0)}`,
          ],
        ]),
    ...(vitals.transactionsPerSecond === null
      ? []
      : [
          [
            'transactions',
            `${vitals.transactionsPerSecond.toFixed(1)} a second, ${(vitals.rollbacksPerSecond ?? 0).toFixed(1)} rolled back; the oldest is ${durationText(vitals.oldestTransactionSeconds ?? 0)} old; ${counted(vitals.deadlocks ?? 0, 'deadlock')} since the statistics were reset`,
          ],
        ]),
    ...(vitals.cacheHit === null
      ? []
      : [['memory', `${(vitals.cacheHit * 100).toFixed(1)} % of the blocks were in shared buffers`]]),
    ...(vitals.sizeBytes === null
      ? []
      : [
          [
            'disk',
            `${formatBytes(vitals.sizeBytes)}${
              largest.length === 0
                ? ''
                : `; largest: ${largest
                    .slice(0, 3)
                    .map(({ name, bytes }) => `${printableCell(name)} ${formatBytes(bytes)}`)
                    .join(', ')}`
            }`,
          ],
        ]),
    ...statements
      .slice(0, 3)
      .map(({ statement, share, meanMs }, index) => [
        index === 0 ? 'most time' : '',
        `${(share * 100).toFixed(0)} % of the time, ${meanMs.toFixed(1)} ms each: ${printableCell(statement)}`,
      ]),
  ];
}
