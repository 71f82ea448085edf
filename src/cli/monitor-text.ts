import { counted, formatBytes, formatTime, pluralOf, printable, printableCell } from '../core/text.js';
import type { MonitoringFinding, MonitoringReport, Severity } from '../monitoring/monitoring.types.js';
import { durationText } from '../monitoring/probe-sql.js';
import { alignColumns } from './render.js';

const SHOWN: Readonly<Record<Severity, string>> = { critical: 'CRITICAL', warning: 'warning', info: 'info' };

/** Returns a report as text. */
export function renderReport(report: MonitoringReport): string {
  const { findings, unseen } = report;
  return [
    headOf(report),
    ...alignColumns([...vitalRows(report), ...forecastRows(report)]).map((line) => `  ${line}`),
    '',
    ...findings.flatMap((finding) => findingLines(finding)),
    ...unseen.map(({ probe, reason }) => `  unseen    ${probe}: ${printable(reason)}`),
    ...(findings.length + unseen.length === 0 ? [] : ['']),
    summaryOf(report),
  ].join('\n');
}

/** Returns the database, its environment and its server. */
export function headOf({ database, environment, version }: MonitoringReport): string {
  return `${printableCell(database)} (${environment}), PostgreSQL ${version}`;
}

/** Returns how many findings need attention. */
export function summaryOf({ findings, codes }: Pick<MonitoringReport, 'findings' | 'codes'>): string {
  const urgent = findings.filter(({ severity }) => severity !== 'info').length;
  const looked = `${counted(codes, 'condition')} ${pluralOf(codes, 'was', 'were')} looked for.`;
  return urgent === 0
    ? `Nothing needs attention; ${looked}`
    : `${counted(urgent, 'finding')} ${pluralOf(urgent, 'needs', 'need')} attention; ${looked}`;
}

/** Returns a finding with its remedy. */
export function findingLines(finding: MonitoringFinding): string[] {
  const { severity, remedy, sql } = finding;
  const lines = [`  ${findingLine(finding)}`];
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

/** Returns a finding in one line. */
function findingLine({ severity, text, code }: MonitoringFinding): string {
  return `${SHOWN[severity].padEnd(9)} ${printableCell(text)} [${code}]`;
}

/**
 * Returns one line for each finding that is new, or worse or better than before, and for each that is over. What was
 * found is the same if its code and its subject are: its text has numbers that change.
 */
export function changeLines(
  before: readonly MonitoringFinding[],
  after: readonly MonitoringFinding[],
  at: Date,
): string[] {
  const time = formatTime(at.toISOString());
  const keyOf = ({ code, subject }: MonitoringFinding): string => `${code} ${subject}`;
  const earlier = new Map(before.map((finding) => [keyOf(finding), finding]));
  const now = new Set(after.map((finding) => keyOf(finding)));
  return [
    ...after
      .filter((finding) => earlier.get(keyOf(finding))?.severity !== finding.severity)
      .map((finding) => `${time}  ${findingLine(finding)}`),
    ...before
      .filter((finding) => !now.has(keyOf(finding)))
      .map(({ text, code }) => `${time}  ${'over'.padEnd(9)} ${printableCell(text)} [${code}]`),
  ];
}

/** How many forecasts are shown. */
const FORECASTS = 3;

/** Returns what breaks next, the soonest first. */
function forecastRows({ forecasts }: MonitoringReport): string[][] {
  return forecasts
    .flatMap(({ breaksAt, text }) => (breaksAt === null ? [] : [{ breaksAt, text }]))
    .toSorted((left, right) => left.breaksAt.localeCompare(right.breaksAt))
    .slice(0, FORECASTS)
    .map(({ text }, index) => [index === 0 ? 'next' : '', printableCell(text)]);
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
