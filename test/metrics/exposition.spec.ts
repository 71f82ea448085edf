import { describe, expect, it } from '@jest/globals';
import { exposition } from '../../src/metrics/exposition.js';
import { byLabels, type MetricFacts, single } from '../../src/metrics/metric.js';
import { METRICS } from '../../src/metrics/metrics.service.js';
import { combineReport } from '../../src/monitoring/combine-report.js';
import type { MonitorSample } from '../../src/monitoring/watch/monitor-sample.js';
import type { Forecast } from '../../src/monitoring/forecast.js';
import type { Sampled } from '../../src/monitoring/probe.js';
import { learnedFrom } from '../../src/readiness/learned.js';
import { contextOf, NOW, SERVER } from '../support/checks.js';
import { parseExposition } from '../support/prometheus-text.js';

const FACTS: MetricFacts = {
  version: '1.2.3',
  environment: 'test',
  database: 'clinic',
  verdict: { status: 'not_ready', checks: {} },
  learned: undefined,
  sample: undefined,
  failedLogins: 0,
  alerts: new Map(),
  deliveries: new Map(),
};

const gauge = (value: number | boolean | Date | null | undefined): string =>
  exposition([single({ name: 'pgkeep_x', type: 'gauge', help: 'Help.' }, () => value)], FACTS);

describe('the declarations', () => {
  it('have unique names, one line of help, the units of Prometheus, and labels that are names', () => {
    const names = METRICS.map(({ name }) => name);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
    for (const { name, type, help, labels } of METRICS) {
      expect(name).toMatch(/^pgkeep_[a-z]+(_[a-z]+)*$/);
      expect(help).toMatch(/^[A-Z1][^\n\\]*\.$/);
      expect(labels.filter((label) => !/^[a-z]+$/.test(label))).toEqual([]);
      expect([name, type === 'counter']).toEqual([name, name.endsWith('_total')]);
    }
  });
});

describe('an exposition', () => {
  it('has the help and the type of a metric above its samples', () => {
    const metric = byLabels({
      name: 'pgkeep_things',
      type: 'gauge',
      help: 'Things by state.',
      labels: ['state', 'kind'],
      read: () => [
        { labels: { state: 'new', kind: 'a' }, value: 1.5 },
        { labels: { state: 'old', kind: 'a' }, value: 0 },
      ],
    });
    expect(exposition([metric], FACTS)).toBe(
      `# HELP pgkeep_things Things by state.
# TYPE pgkeep_things gauge
pgkeep_things{state="new",kind="a"} 1.5
pgkeep_things{state="old",kind="a"} 0
`,
    );
  });

  it.each([
    ['true', true, '1'],
    ['false', false, '0'],
    ['a time in seconds', new Date(1_764_255_600_250), '1764255600.25'],
    ['a negative number', -0.25, '-0.25'],
    ['a number beyond 2^53', 2 ** 63, '9223372036854776000'],
    ['a number that needs an exponent', 1e21, '1e+21'],
    ['a tiny number', 1e-7, '1e-7'],
  ])('writes %s', (_what, value, text) => {
    expect(gauge(value)).toBe(`# HELP pgkeep_x Help.\n# TYPE pgkeep_x gauge\npgkeep_x ${text}\n`);
  });

  it.each([undefined, null, Number.NaN, Infinity, -Infinity, new Date(Number.NaN)])(
    'leaves out %s, with the help',
    (value) => {
      expect(gauge(value)).toBe('');
    },
  );

  it.each([
    'a "quoted" name',
    'back\\slash',
    'a\\nb is no newline',
    'one\ntwo',
    'pgkeep_up 1\n# TYPE pgkeep_up counter\npgkeep_up 7',
    '"} 1\npgkeep_up{a="',
    'カルテ № 1, Straße',
    '\u{1F3E5}\u{1B}[31m\r\t\u0000',
    '',
    ' ',
  ])('escapes the label value %j so that a parser reads it back', (value) => {
    const text = exposition(METRICS, { ...FACTS, database: value });
    const read = parseExposition(text);
    expect(read.of('pgkeep_build_info').map(({ labels }) => labels['database'])).toEqual([value]);
    expect(read.of('pgkeep_up')).toEqual([]);
  });

  it('says before the first evaluation only that pgkeep is not ready', () => {
    expect(exposition(METRICS, FACTS)).toBe(
      `# HELP pgkeep_build_info Always 1. The labels have the versions of pgkeep and of the server, and what is guarded.
# TYPE pgkeep_build_info gauge
pgkeep_build_info{version="1.2.3",server="",environment="test",database="clinic"} 1
# HELP pgkeep_ready 1 if /ready answers 200.
# TYPE pgkeep_ready gauge
pgkeep_ready 0
# HELP pgkeep_failed_logins_total Failed attempts to sign in, or to use an admin route, since this process was started.
# TYPE pgkeep_failed_logins_total counter
pgkeep_failed_logins_total 0
`,
    );
  });

  it('keeps what was learned before, with its time, while the database does not answer', () => {
    const reason = { code: 'DATABASE_UNREACHABLE', text: 'gone', hint: '', isUnanswered: false } as const;
    const [before, later] = [NOW, new Date(NOW.getTime() + 60_000)];
    const { facts } = contextOf({
      server: { value: SERVER },
      evidence: {
        newest: { backup: 'b', verdict: 'failed', finishedAt: before },
        newestPassed: { backup: 'a', verdict: 'passed', finishedAt: before, restoreMs: 1500 },
      },
    });
    const known = learnedFrom(facts, before, undefined);
    const learned = learnedFrom({ ...facts, server: { reason } }, later, known);
    const read = parseExposition(exposition(METRICS, { ...FACTS, learned }));
    const seconds = before.getTime() / 1000;
    expect({
      up: read.value('pgkeep_up'),
      server: read.of('pgkeep_build_info')[0]?.labels['server'],
      evaluated: read.value('pgkeep_evaluated_timestamp_seconds'),
      learned: read.by('pgkeep_learned_timestamp_seconds'),
      newest: read.value('pgkeep_restore_test_ok'),
      passed: read.value('pgkeep_restore_test_passed_timestamp_seconds'),
      took: read.value('pgkeep_restore_duration_seconds'),
    }).toEqual({
      up: 0,
      server: '15.18',
      evaluated: seconds + 60,
      learned: { server: seconds, restore_tests: seconds },
      newest: 0,
      passed: seconds,
      took: 1.5,
    });
  });
});

describe('what monitoring has sampled', () => {
  const { settings } = contextOf({});

  function sampleOf(sampled: Partial<Sampled>, role: MonitorSample['role'] = 'leader'): MetricFacts {
    const one = { findings: [], unseen: undefined, ...sampled };
    const report = combineReport(settings, {
      at: NOW,
      server: { database: 'clinic', version: '15.18' },
      measured: { connectMs: 20, roundTripMs: 1 },
      sampled: [one],
    });
    const sample = { at: NOW, role, fence: 7n, report, down: undefined, findings: report.findings };
    return { ...FACTS, sample };
  }

  const read = (facts: MetricFacts): ReturnType<typeof parseExposition> =>
    parseExposition(exposition(METRICS, facts));

  it('is counted by code and severity, and names no subject', () => {
    const finding = { text: 't', remedy: 'r', sql: null };
    const found = read(
      sampleOf({
        findings: [
          { code: 'BLOCKED', severity: 'critical', subject: 'patients', ...finding },
          { code: 'BLOCKED', severity: 'warning', subject: 'visits', ...finding },
          { code: 'BLOCKED', severity: 'warning', subject: 'doses', ...finding },
        ],
      }),
    );
    expect(found.of('pgkeep_findings').map(({ labels, value }) => [labels, value])).toEqual([
      [{ code: 'BLOCKED', severity: 'critical' }, 1],
      [{ code: 'BLOCKED', severity: 'warning' }, 2],
    ]);
  });

  it('has one series for replicas of one name, and ten for a hundred slots', () => {
    const slots = Array.from({ length: 100 }, (_, n) => ({
      name: `slot_${n}`,
      active: true,
      lost: false,
      bytes: n === 7 ? null : n * 1000,
    }));
    const replicas = [
      { name: 'walreceiver', bytes: 10, seconds: 3 },
      { name: 'walreceiver', bytes: 5000, seconds: 40 },
      { name: 'caught "up"', bytes: 0, seconds: null },
      { name: 'not seen by this role', bytes: null, seconds: null },
    ];
    const found = read(sampleOf({ replication: { slots, replicas } }));
    expect(found.by('pgkeep_replica_lag_seconds')).toEqual({ walreceiver: 40, 'caught "up"': 0 });
    expect(found.of('pgkeep_replication_slot_retained_bytes')).toHaveLength(10);
    expect(found.by('pgkeep_replication_slot_retained_bytes')['slot_99']).toBe(99_000);
  });

  it('has counters as the server has them, beyond 2^53, and none that is not known', () => {
    const counters = { commits: 2 ** 60, rollbacks: 0, deadlocks: 3, sessionsKilled: null };
    const found = read(sampleOf({ counters, vitals: { transactionIdAge: 1e9, sizeBytes: 2 ** 61 } }));
    expect(found.by('pgkeep_transactions_total')).toEqual({ commit: 2 ** 60, rollback: 0 });
    expect(found.value('pgkeep_deadlocks_total')).toBe(3);
    expect(found.of('pgkeep_sessions_ended_total')).toEqual([]);
    expect(found.value('pgkeep_database_size_bytes')).toBe(2 ** 61);
    expect(found.value('pgkeep_connect_duration_seconds')).toBe(0.02);
    expect(found.of('pgkeep_statements_per_second')).toEqual([]);
  });

  it('has the messages about alerts by receiver and result', () => {
    const found = read({ ...FACTS, deliveries: new Map([['slack "1"', { sent: 3, failed: 1 }]]) });
    expect(found.of('pgkeep_alert_deliveries_total').map(({ labels, value }) => [labels, value])).toEqual([
      [{ receiver: 'slack "1"', result: 'sent' }, 3],
      [{ receiver: 'slack "1"', result: 'failed' }, 1],
    ]);
  });

  it('has the earliest forecast of each kind, and none that is not in sight', () => {
    const forecast = (what: Forecast['what'], breaksAt: string | null): Forecast => ({
      what,
      subject: 'clinic_role',
      breaksAt,
      range: null,
      text: 't',
    });
    const facts = sampleOf({ vitals: { idsUsed: 0.83 } });
    const sample = facts.sample;
    const forecasts = [
      forecast('password', '2026-07-01T00:00:00Z'),
      forecast('password', '2026-06-20T00:00:00Z'),
      forecast('disk', null),
    ];
    const storage = { limitBytes: 1e11, usedShare: 0.25 };
    const report = sample?.report && { ...sample.report, forecasts, storage };
    const found = read({ ...facts, sample: sample && { ...sample, report } });
    expect(found.by('pgkeep_forecast_timestamp_seconds')).toEqual({
      password: Date.parse('2026-06-20T00:00:00Z') / 1000,
    });
    expect(found.value('pgkeep_storage_limit_bytes')).toBe(1e11);
    expect(found.value('pgkeep_storage_used_ratio')).toBe(0.25);
    expect(found.value('pgkeep_ids_used_ratio')).toBe(0.83);
  });

  it('is reported by a replica that does not sample, which says so', () => {
    const found = read(sampleOf({ vitals: { sizeBytes: 5 } }, 'follower'));
    expect(found.value('pgkeep_monitor_leader')).toBe(0);
    expect(found.value('pgkeep_database_size_bytes')).toBe(5);
    expect(found.value('pgkeep_monitor_sample_timestamp_seconds')).toBe(NOW.getTime() / 1000);
  });
});
