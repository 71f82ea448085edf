import { describe, expect, it } from '@jest/globals';
import { condensed, lineChart } from '../../src/dashboard/chart.js';
import { html, prose } from '../../src/dashboard/html.js';
import { overviewPage } from '../../src/dashboard/overview-page.js';
import { PAGE_BODIES } from '../../src/dashboard/page-bodies.js';
import { DEFAULT_RANGE, niceTop, rangeOf, RANGES, tickTimes, timeLabel } from '../../src/dashboard/scale.js';
import { durationText } from '../../src/dashboard/times.js';
import { titleOf } from '../../src/dashboard/layout.js';
import type { View } from '../../src/dashboard/view.js';
import { attentionOf } from '../../src/overview/attention.js';
import type { Overview } from '../../src/overview/overview.types.js';
import { calm, down, early, history, notReady, NOW, STATES, trouble } from './overviews.js';

function viewOf(overview: Overview, range = DEFAULT_RANGE, mayAct = true): View {
  const { hours } = range;
  return {
    overview,
    viewer: { name: 'Maria', mayAct },
    now: NOW,
    range,
    series: overview.monitoring.report ? history(hours) : {},
  };
}

/** The text that a person reads. */
function textOf(overview: Overview): string {
  return overviewPage(viewOf(overview))
    .text.replaceAll(/<title>[^<]*<\/title>|<[^>]+>/g, ' ')
    .replaceAll(/\s+/g, ' ');
}

describe('markup', () => {
  it('escapes every value, in text and in attributes, and turns no writing direction', () => {
    const hostile = `<script>alert(1)</script>"'&\u202E\u0007`;
    expect(html`<p title="${hostile}">${[hostile, html`<b>${1}</b>`, null, undefined, false]}</p>`.text).toBe(
      `<p title="&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\uFFFD\uFFFD">&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;\uFFFD\uFFFD<b>1</b></p>`,
    );
  });

  it('shows commands between backticks as code', () => {
    expect(prose('Run `pgkeep ping <url>`, now').text).toBe('Run <code>pgkeep ping &lt;url&gt;</code>, now');
  });
});

describe('the overview', () => {
  it('is green when nothing needs attention', () => {
    expect(textOf(calm)).toContain('Safe to serve /ready answers 200: 8 of 8 checks pass.');
    expect(textOf(calm)).toContain('Nothing needs attention 31 things were looked for.');
    expect(titleOf(calm)).toBe('OK · clinic · pgkeep');
  });

  it('never says "safe" in red: what is wrong has a card beside it', () => {
    const { text } = overviewPage(viewOf(trouble));
    expect(text).toMatch(/hero ok" aria-labelledby="verdict"/);
    expect(text).toMatch(/hero critical" aria-labelledby="worst"/);
    expect(textOf(trouble)).toContain(
      '2 sessions wait for clinic-import, for 2 min now Act now. 3 other things need attention',
    );
    expect(textOf(trouble)).toContain('1 silenced alert');
    expect(titleOf(trouble)).toBe('4 to do · clinic · pgkeep');
  });

  it('shows failing checks with all of their details, and whom to call before everything else', () => {
    const text = textOf(notReady);
    expect(text).toContain(
      'Not safe to serve /ready answers 503: 6 of 8 checks pass. Migrations makes it not ready Migration issues: 1 pending, 1 failed MIGRATIONS_FAILED',
    );
    expect(text.indexOf('Emergency contacts')).toBeLessThan(text.indexOf('Last proven backup'));
  });

  it('says of each fact how old it is while the database is down', () => {
    const text = textOf(down);
    expect(text).toContain('The database has not answered for 46 seconds. What is below is from before.');
    expect(text).toContain('As of 2026-11-27 14:02 UTC; reading it again failed: connect ECONNREFUSED');
    expect(text).toContain('3 migrations applied');
  });

  it('claims nothing before the first sample', () => {
    const text = textOf(early);
    expect(text).toContain('Not known yet The checks have not been made yet.');
    expect(text).toContain('Nothing is known yet');
    expect(text).not.toMatch(/Safe to serve|There is no backup|never/);
    expect(titleOf(early)).toBe('… · clinic · pgkeep');
  });

  it('has no buttons for those who may only look', () => {
    expect(overviewPage(viewOf(trouble)).text).toContain('action="back-up"');
    expect(overviewPage(viewOf(trouble, DEFAULT_RANGE, false)).text).not.toContain('<form');
  });

  it('is the same in every state but for the data: each id once, and below 100 kB', () => {
    for (const overview of Object.values(STATES)) {
      for (const range of RANGES) {
        const { text } = overviewPage(viewOf(overview, range));
        const ids = [...text.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
        expect(ids).toEqual([...new Set(ids)]);
        expect(Buffer.byteLength(text)).toBeLessThan(78_000);
      }
      for (const page of Object.values(PAGE_BODIES)) expect(page(viewOf(overview)).text).toContain('<h1>');
    }
  });
});

describe('a chart', () => {
  const range = DEFAULT_RANGE;
  const base = { title: 'Connections', now: '19', to: NOW.getTime(), range, format: String, note: '' };

  it('has both axes, tooltips with the values, and its range in words', () => {
    const { text } = lineChart({
      ...base,
      points: history(24)['connections'] ?? [],
      format: (value) => value.toFixed(0),
    });
    expect(text).toContain('<span>40</span><span>20</span><span>0</span>');
    expect(text).toMatch(/aria-label="Connections, last 24 hours: from 8 to \d+, now 19"/);
    expect(text).toMatch(/<title>\s*\d\d:\d\d UTC: \d+, at most \d+\s*<\/title>/);
    expect(text.match(/>(00|06|12|18):00</g)).toHaveLength(4);
  });

  it('shows a gap as a gap, and one point alone as a dot', () => {
    const points = [1, null, 3, 4].map((average, index) => ({
      at: NOW.getTime() - (4 - index) * 6 * 3_600_000,
      average,
      max: average,
    }));
    expect(condensed(points, base).map(({ average }) => average)).toEqual([1, null, 3, 4]);
    expect(lineChart({ ...base, points }).text).toMatch(
      /class="line" d="M75 [\d.]+h\.1M375 [\d.]+L525 [\d.]+"/,
    );
  });

  it('says that there is nothing, without a scale of NaN', () => {
    const { text } = lineChart({ ...base, points: [] });
    expect(text).toContain('Nothing was measured in this time.');
    expect(text).not.toContain('NaN');
  });

  it.each([
    [0, 1000, 1],
    [0.003, 1000, 0.004],
    [19, 1000, 20],
    [97, 1000, 100],
    [1025, 1024, 2048],
    [6.3 * 1024 ** 3, 1024, 8 * 1024 ** 3],
    [2 ** 60, 1024, 2 ** 60],
  ] as const)('of at most %d in units of %d has a scale to %d', (highest, unit, top) => {
    expect(niceTop(highest, unit)).toBe(top);
  });

  it('labels days at midnight, and hours at full hours', () => {
    const week = rangeOf('7d') ?? range;
    expect(tickTimes(NOW.getTime(), week).map((at) => timeLabel(at, week))).toEqual([
      '21 Nov',
      '22 Nov',
      '23 Nov',
      '24 Nov',
      '25 Nov',
      '26 Nov',
      '27 Nov',
    ]);
    expect(rangeOf('<script>')).toBeUndefined();
  });
});

it.each([
  [1000, '1 second'],
  [89_000, '89 seconds'],
  [28 * 60_000, '28 minutes'],
  [35 * 3_600_000, '35 hours'],
  [74 * 86_400_000, '74 days'],
  [365 * 86_400_000, '12 months'],
  [3 * 365 * 86_400_000, '3 years'],
])('says %d ms as %s', (ms, text) => {
  expect(durationText(ms)).toBe(text);
});

describe('what needs attention', () => {
  const check = { ok: false, details: 'no answer', code: 'DATABASE_TIMEOUT', gate: 'enforce' } as const;

  it('has one item for one cause', () => {
    const checks = {
      database: check,
      environment: check,
      migrations: { ...check, code: 'MIGRATIONS_PENDING' },
    };
    expect(attentionOf({ checks }, []).map(({ code, subject }) => `${code} ${subject}`)).toEqual([
      'DATABASE_TIMEOUT database',
      'MIGRATIONS_PENDING migrations',
    ]);
    const outage = {
      code: 'DATABASE_DOWN',
      severity: 'critical',
      subject: '',
      text: '',
      remedy: '',
      sql: null,
    } as const;
    expect(attentionOf({ checks }, [outage]).map(({ code }) => code)).toEqual([
      'MIGRATIONS_PENDING',
      'DATABASE_DOWN',
    ]);
  });

  it('has the worst first, and what to do from the check’s own declaration', () => {
    const checks = {
      migrations: { ...check, code: 'MIGRATIONS_PENDING' },
      backups: { ...check, gate: 'warn', code: 'BACKUP_MISSING' },
    } as const;
    const items = attentionOf({ checks }, []);
    expect(items.map(({ severity }) => severity)).toEqual(['critical', 'warning']);
    expect(items[0]?.remedy).toMatch(/migrate deploy/);
  });
});
