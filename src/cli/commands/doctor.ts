import type { PgkeepError } from '../../core/errors.js';
import { DoctorService } from '../../doctor/doctor.service.js';
import type { DoctorGroup, DoctorLine, DoctorReport, LineStatus } from '../../doctor/doctor.types.js';
import { EXIT } from '../errors.js';
import { alignColumns } from '../render.js';
import { type Answer, silentEnvironment } from '../run-verb.js';
import type { Verb } from '../verb.js';

/** No statement of the doctor's is worth a longer wait: each line has a deadline of about this length. */
const LONGEST_QUERY_MS = 10_000;

const SHOWN: Readonly<Record<LineStatus, string>> = { ok: '  ok  ', fail: '  FAIL', skip: '  skip' };

/** `pgkeep doctor`: checks the checklists of the database guides, line by line. Exit 0 when no line failed, 1 otherwise. */
export const doctorVerb: Verb = {
  prismaProject: 'all-if-valid',
  databaseIsOptional: true,
  shutsDownGracefully: true,
  declare: (command) =>
    command
      .option('--before-commit', 'check only what needs no database: for a pre-commit hook and CI')
      .option(
        '--changed-since <reference>',
        'compare new migrations and SQL files with this git reference (default: HEAD, what is not committed)',
      ),
  settings: (settings, { beforeCommit }) => {
    const { database } = settings;
    return {
      ...settings,
      database: {
        ...database,
        isNamed: database.isNamed && beforeCommit !== true,
        queryTimeoutMs: Math.min(database.queryTimeoutMs, LONGEST_QUERY_MS),
        connectTimeoutMs: Math.min(database.connectTimeoutMs, LONGEST_QUERY_MS),
        acquireTimeoutMs: Math.min(database.acquireTimeoutMs, LONGEST_QUERY_MS),
      },
    };
  },
  invalidSettings: (error) => answerOf(withoutSettings(error)),
  run: async (app, _parameters, options, signal) => {
    const { beforeCommit, changedSince } = options;
    const report = await app.get(DoctorService).examine({
      environment: silentEnvironment(options),
      beforeCommit: beforeCommit === true,
      changedSince: typeof changedSince === 'string' ? changedSince : undefined,
      signal,
    });
    return answerOf(report);
  },
};

/** With invalid settings nothing else can be checked. */
function withoutSettings({ message, hint }: PgkeepError): DoctorReport {
  const line: DoctorLine = {
    name: 'settings',
    title: 'settings',
    status: 'fail',
    details: `${message}\nThe other lines need valid settings and were not checked.`,
    next: hint ?? null,
  };
  return {
    verdict: 'failed',
    environment: null,
    groups: [{ heading: 'Before deployment', lines: [line] }],
    counts: { ok: 0, fail: 1, skip: 0 },
  };
}

function answerOf(report: DoctorReport): Answer {
  const exitCode = report.verdict === 'passed' ? EXIT.done : EXIT.failed;
  return { json: report, text: renderReport(report), exitCode };
}

function renderReport({ groups, counts, verdict }: DoctorReport): string {
  const todo = groups.flatMap(({ lines }) => lines).flatMap((line) => nextStep(line));
  const skipped = counts.skip === 0 ? '' : `, ${counts.skip} skipped`;
  return [
    ...groups.flatMap((group) => [...renderGroup(group), '']),
    ...(todo.length === 0 ? [] : ['What to do:', ...todo, '']),
    verdict === 'passed'
      ? `All checks passed: ${counts.ok} ok${skipped}.`
      : `${counts.fail} of ${counts.ok + counts.fail + counts.skip} checks failed: ${counts.ok} ok${skipped}.`,
  ].join('\n');
}

function renderGroup({ heading, lines }: DoctorGroup): string[] {
  const rows = lines.map(({ status, title, details }) => [SHOWN[status], title, details]);
  return [heading, ...alignColumns(rows)];
}

function nextStep({ status, title, next }: DoctorLine): string[] {
  if (status !== 'fail' || next === null) return [];
  return [`  ${title}:`, ...next.split('\n').map((line) => `    ${line}`)];
}
