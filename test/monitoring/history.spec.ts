import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import type { HistoryVital } from '../../src/monitoring/history/history-vitals.js';
import { summarize } from '../../src/monitoring/history/history-vitals.js';
import { storedValues } from '../../src/monitoring/history/history-statements.js';
import { Minutes } from '../../src/monitoring/history/minutes.js';
import { planSeries, type Series, toSeries } from '../../src/monitoring/history/series.js';
import type { MonitoringReport } from '../../src/monitoring/monitoring.types.js';
import { createDatabase, query } from '../support/clinic.js';
import type { ThrowAwayCluster } from '../support/throw-away-cluster.js';
import type { Replica } from './replica.js';
import { SampledCluster } from './sampled-cluster.js';

const TIMEOUTS = { statementTimeoutMs: 10_000, lockTimeoutMs: 100 };

/** The values of one number in the points of a series that have it, the oldest first. */
function valuesOf({ points }: Series, name: HistoryVital): unknown[] {
  return points.flatMap(({ values }) => (values[name] ? [values[name]] : []));
}

describe('the history in schema pgkeep', () => {
  let sampled: SampledCluster;
  let own: ThrowAwayCluster;
  let url: string;
  let client: Client;

  beforeAll(async () => {
    sampled = await SampledCluster.start('history');
    own = sampled.own;
  });
  beforeEach(async () => {
    url = await sampled.nextDatabase();
    client = new Client({ connectionString: url });
    await client.connect();
  });
  afterEach(async () => {
    await client.end();
    await sampled.closeReplicas();
  });
  afterAll(() => sampled.destroy());

  async function open(at = url): Promise<Replica> {
    return await sampled.open(at, {});
  }

  /** Takes a sample, and returns what its replica may write with. */
  async function leading(
    replica: Replica,
  ): Promise<{ report: MonitoringReport; fence: bigint; holder: string }> {
    const { report, fence } = await replica.step();
    const { rows } = await query(url, 'SELECT holder FROM pgkeep.lease');
    if (!report || fence === null) throw new Error('the replica does not lead');
    return { report, fence, holder: String(rows[0]?.holder) };
  }

  /** Writes a complete minute of one number. */
  async function writeMinute(
    { history }: Replica,
    { report, fence, holder }: Awaited<ReturnType<typeof leading>>,
    at: Date,
  ): Promise<void> {
    const minute = {
      at: Math.floor(at.getTime() / 60_000) * 60,
      values: { active: { average: 2, max: 5 }, connections: { average: 7, max: 7 } },
    };
    await history.write(
      client,
      { name: 'monitor', holder, fence },
      { report, minute, isHourly: false },
      TIMEOUTS,
    );
  }

  it('has one row a minute, which another replica reads, and the newest report', async () => {
    const replica = await open();
    const lease = await leading(replica);
    await writeMinute(replica, lease, new Date());
    await writeMinute(replica, lease, new Date());
    expect((await query(url, 'SELECT step, vitals FROM pgkeep.sample')).rows).toEqual([
      { step: 1, vitals: { active: [2, 5], connections: 7 } },
    ]);
    const other = await open();
    const sample = await other.step();
    expect([sample.role, sample.report]).toEqual(['deputy', lease.report]);
    const series = await other.history.series({ vitals: ['active', 'connections', 'cacheHit'], hours: 1 });
    expect(series.step).toBe(1);
    expect(series.points).toHaveLength(60);
    expect(valuesOf(series, 'active')).toEqual([{ average: 2, max: 5 }]);
    expect(valuesOf(series, 'connections')).toEqual([{ average: 7, max: 7 }]);
    expect(valuesOf(series, 'cacheHit')).toEqual([]);
  });

  it('is not written after the lease has ended: a leader that was stopped and continues writes nothing', async () => {
    const replica = await open();
    const lease = await leading(replica);
    await query(url, `UPDATE pgkeep.lease SET expires_at = now() - interval '1 s'`);
    await writeMinute(replica, lease, new Date());
    const next = await open();
    expect(await next.step()).toMatchObject({ role: 'leader', fence: 2n });
    const { rows: before } = await query(url, 'SELECT report FROM pgkeep.monitoring_report');
    await writeMinute(replica, lease, new Date());
    expect((await query(url, 'SELECT count(*)::int AS rows FROM pgkeep.sample')).rows).toEqual([{ rows: 0 }]);
    expect((await query(url, 'SELECT report FROM pgkeep.monitoring_report')).rows).toEqual(before);
  });

  it('becomes rows of quarter and six hours, once each, and is deleted when it is old', async () => {
    // The minutes of 47 hours, up to now: 1 connection in the first half of each quarter, 3 in the second; the number of
    // waiting sessions is stored as an average and a maximum.
    await query(
      url,
      `INSERT INTO pgkeep.sample (step, at, vitals)
       SELECT 1, at, jsonb_build_object('connections', CASE WHEN extract(minute FROM at)::int % 15 < 8 THEN 1 ELSE 3 END, 'waiting', '[1, 9]'::jsonb)
         FROM generate_series(date_trunc('minute', now()) - interval '47 h', now(), '1 min') at;
       INSERT INTO pgkeep.sample VALUES (1, now() - interval '49 h', '{"active": 1}'), (15, now() - interval '36 days', '{"active": [1, 1]}'),
                                        (360, now() - interval '731 days', '{"active": [1, 1]}'), (360, now() - interval '700 days', '{"active": [1, 1]}');`,
    );
    const replica = await open();
    const lease = await leading(replica);
    await writeMinute(replica, lease, new Date(Date.now() - 60_000));
    const counts = async (): Promise<unknown[]> =>
      (
        await query(
          url,
          `SELECT step, count(*)::int AS rows, bool_and(at < now() - make_interval(mins => step)) AS complete
             FROM pgkeep.sample WHERE step > 1 AND at > now() - interval '3 days' GROUP BY 1 ORDER BY 1`,
        )
      ).rows;
    const first = await counts();
    expect(first).toEqual([
      { step: 15, rows: expect.any(Number), complete: true },
      { step: 360, rows: expect.any(Number), complete: true },
    ]);
    const { rows } = await query(
      url,
      `SELECT DISTINCT vitals FROM pgkeep.sample s WHERE step = 15 AND at BETWEEN now() - interval '46 h' AND now() - interval '30 min'`,
    );
    expect(rows).toEqual([{ vitals: { connections: [expect.closeTo(29 / 15, 4), 3], waiting: [1, 9] } }]);
    const { rows: old } = await query(
      url,
      `SELECT count(*) FILTER (WHERE at < now() - CASE step WHEN 1 THEN interval '48 h' WHEN 15 THEN interval '35 d' ELSE interval '730 d' END)::int AS expired,
              count(*) FILTER (WHERE at < now() - interval '699 days')::int AS kept FROM pgkeep.sample`,
    );
    expect(old).toEqual([{ expired: 0, kept: 1 }]);
    // Another replica does it again: nothing is doubled.
    await writeMinute(await open(), lease, new Date(Date.now() - 120_000));
    expect(await counts()).toEqual(first);
  });

  it('is one line of points from rows of different lengths, with its gaps', async () => {
    await query(
      url,
      `INSERT INTO pgkeep.sample (step, at, vitals)
       SELECT 1, at, '{"connections": 4}' FROM generate_series(date_trunc('minute', now()) - interval '6 h', now(), '1 min') at
        WHERE at NOT BETWEEN now() - interval '3 h' AND now() - interval '2 h';
       INSERT INTO pgkeep.sample (step, at, vitals)
       SELECT 15, at, '{"connections": [2, 4]}' FROM generate_series(date_trunc('hour', now()) - interval '6 days', date_trunc('hour', now()) - interval '4 h 15 min', '15 min') at;`,
    );
    const { history } = await open();
    const hours = await history.series({ vitals: ['connections'], hours: 4 });
    const gap = hours.points.filter(({ values }) => values['connections'] === null).length;
    expect(hours.points).toHaveLength(240);
    expect(gap).toBeGreaterThanOrEqual(59);
    expect(gap).toBeLessThanOrEqual(61);
    const week = await history.series({ vitals: ['connections'], hours: 168 });
    expect([week.step, week.points.length]).toEqual([60, 168]);
    expect(new Set(valuesOf(week, 'connections').map((value) => JSON.stringify(value)))).toEqual(
      new Set(['{"average":2,"max":4}', '{"average":4,"max":4}']),
    );
    // An hour of both kinds counts each minute once.
    expect(valuesOf(week, 'connections').length).toBeLessThan(168);
  });

  it('is in memory where schema pgkeep is missing, and while the database is down', async () => {
    const bare = await open(await createDatabase(own, `bare_${sampled.database}`));
    await bare.step();
    const series = await bare.history.series({ vitals: ['up', 'connections'], hours: 1 });
    expect(valuesOf(series, 'up')).toEqual([{ average: 1, max: 1 }]);
    const unreachable = await open('postgresql://u@127.0.0.1:1/none');
    expect((await unreachable.step()).down?.code).toBe('DATABASE_UNREACHABLE');
    expect(valuesOf(await unreachable.history.series({ vitals: ['up'], hours: 1 }), 'up')).toEqual([]);
  });

  it('stays small: a row of every number takes about a kilobyte', async () => {
    const replica = await open();
    const { report } = await leading(replica);
    const values = Object.fromEntries(
      Object.keys(report.vitals).map((name) => [name, { average: 123_456.789, max: 234_567.891 }]),
    );
    const { rows } = await query(url, 'SELECT pg_column_size($1::jsonb) AS bytes', [
      JSON.stringify(storedValues(values)),
    ]);
    expect(Number(rows[0]?.bytes)).toBeLessThan(1250);
  });
});

describe('the history, without a database', () => {
  const at = (text: string): Date => new Date(`2026-02-07T${text}Z`);

  it('collects the samples of a minute, and forgets none', () => {
    const minutes = new Minutes();
    expect(minutes.add({ active: 1 }, at('12:00:01'))).toBeUndefined();
    expect(minutes.add({ active: 3, waiting: 2 }, at('12:00:46'))).toBeUndefined();
    expect(minutes.add({ active: 9 }, at('12:01:01'))).toEqual({
      at: at('12:00:00').getTime() / 1000,
      values: { active: { average: 2, max: 3 }, waiting: { average: 2, max: 2 } },
    });
    // The clock goes back: the minute is another one.
    expect(minutes.add({ active: 1 }, at('11:30:00'))?.at).toBe(at('12:01:00').getTime() / 1000);
    const values = minutes.values({ vitals: ['active'], hours: 1 }, 5, at('12:02:00'));
    expect(values).toEqual([
      { at: at('12:00:00').getTime() / 1000, name: 'active', average: 5.5, max: 9 },
      { at: at('11:30:00').getTime() / 1000, name: 'active', average: 1, max: 1 },
    ]);
  });

  it('keeps the minutes of two days', () => {
    const minutes = new Minutes();
    for (let minute = 0; minute < 4000; minute += 1) {
      minutes.add({ up: 1 }, new Date(at('00:00:00').getTime() + minute * 60_000));
    }
    const now = new Date(at('00:00:00').getTime() + 4000 * 60_000);
    expect(minutes.values({ vitals: ['up'], hours: 1000 }, 1, now)).toHaveLength(48 * 60 + 1);
  });

  it('has at most about 300 points, none shorter than the time between two samples', () => {
    const plans = [1, 4, 24, 48, 168, 720, 840, 2160, 7200, 17_520].map((hours) => {
      const { step, source } = planSeries(hours, 15_000);
      return [hours, step, source, Math.ceil((hours * 60) / step)];
    });
    expect(plans).toEqual([
      [1, 1, 1, 60],
      [4, 1, 1, 240],
      [24, 5, 1, 288],
      [48, 15, 1, 192],
      [168, 60, 15, 168],
      [720, 360, 15, 120],
      [840, 360, 15, 140],
      [2160, 1440, 360, 90],
      [7200, 1440, 360, 300],
      [17_520, 10_080, 360, 105],
    ]);
    expect(planSeries(1, 300_000)).toEqual({ step: 5, source: 1 });
  });

  it('shows a gap as points without values', () => {
    const request = { vitals: ['up' as const], hours: 1 / 20 };
    const value = { at: at('11:59:00').getTime() / 1000, name: 'up', average: 1, max: 1 };
    expect(toSeries(request, 1, [value], at('12:00:30'))).toEqual({
      step: 1,
      points: [
        { at: '2026-02-07T11:58:00.000Z', values: { up: null } },
        { at: '2026-02-07T11:59:00.000Z', values: { up: { average: 1, max: 1 } } },
        { at: '2026-02-07T12:00:00.000Z', values: { up: null } },
      ],
    });
  });

  it('stores six digits, and one number where the average is the maximum', () => {
    const values = summarize([{ connectMs: 1.234_567_89 }, { connectMs: 3 }, { up: 1 }]);
    expect(storedValues(values)).toEqual({ up: 1, connectMs: [2.117_28, 3] });
  });
});
