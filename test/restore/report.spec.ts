import { describe, expect, it } from '@jest/globals';
import { htmlReport } from '../../src/restore/test/html-report.js';
import type { RestoreTestReport } from '../../src/restore/test/restore-test.types.js';

const REPORT: RestoreTestReport = {
  formatVersion: 1,
  backup: 'clinic_production_20260207_120000',
  database: 'cli<nic> & "co"',
  environment: 'production',
  backupFinishedAt: '2026-02-07T12:00:00.000Z',
  verdict: 'failed',
  comparisons: [
    { name: 'archive', ok: true, details: 'as in the manifest', reported: [], findings: [] },
    {
      name: 'rows',
      ok: false,
      details: 'public."<script>alert(1)</script>" has 1 row, expected 2',
      reported: [],
      findings: [],
    },
  ],
  tables: [
    { name: 'public.a', expectedRows: 1000, foundRows: 1000, sameContents: true },
    { name: 'public."<script>"', expectedRows: 2, foundRows: 1, sameContents: false },
    { name: 'public.gone', expectedRows: 3, foundRows: null, sameContents: false },
  ],
  notes: ['owners were not restored: the server has no role "<b>"'],
  startedAt: '2026-02-08T04:00:00.000Z',
  finishedAt: '2026-02-08T04:02:05.000Z',
  durationMs: 125_000,
  restoreMs: 100_000,
  compareMs: 20_000,
  restoredTo: 'throw-away cluster',
  versions: { pgkeep: '0.1.0', pgRestore: '15.18', server: '15.18', dumpedServer: '15.18', pgDump: '15.18' },
  archive: { name: 'clinic_production_20260207_120000.dump', bytes: 1234, sha256: 'a'.repeat(64) },
  previousHash: '0'.repeat(64),
  hash: 'b'.repeat(64),
  number: 7,
  notRecorded: null,
};

describe('the report of a restore test', () => {
  const page = htmlReport(REPORT);

  it('contains what an auditor asks for', () => {
    for (const text of [
      'Failed',
      '1 of 2 comparisons failed. Do not rely on this backup.',
      '1 min 40 s',
      '2 min 5 s',
      'number 7 of pgkeep.restore_test in the database, a table that triggers protect from changes',
      'a'.repeat(64),
      'b'.repeat(64),
      'jq -cSj &#39;del(.hash)&#39; clinic_production_20260207_120000.restore-test.json | sha256sum',
    ]) {
      expect(page.replaceAll("'", '&#39;')).toContain(text);
    }
  });

  it('says what was erased since the backup', () => {
    const counts = { actions: 3, people: 4, deleted: 8, anonymized: 1, marked: 0, restored: 0 };
    expect(htmlReport({ ...REPORT, erasures: counts })).toContain(
      '<p>4 people: 8 rows deleted, 1 anonymized. The test compares with the backup and erases nothing. A restore of the backup repeats these erasures before the restored database is used.</p>',
    );
    expect(htmlReport({ ...REPORT, erasures: { ...counts, actions: 0 } })).toContain(
      '<p>Nothing was erased since the backup.</p>',
    );
    expect(htmlReport({ ...REPORT, erasures: null })).toContain(
      '<p>What was erased since the backup is not known. A restore of it is refused until that can be read.</p>',
    );
    expect(page).not.toContain('Erased since');
  });

  it('shows the tables that differ first, with what was expected', () => {
    const names = [...page.matchAll(/<td>(public\.[^<]*)<\/td>/g)].map(([, name]) => name);
    expect(names).toEqual(['public.&quot;&lt;script&gt;&quot;', 'public.gone', 'public.a']);
    expect(page).toContain('<td class="number">3</td><td class="number">no table</td>');
  });

  it('is one file: no script, nothing loaded from anywhere, every text escaped', () => {
    expect(page).not.toMatch(/<script|<link|<img|url\(|https?:/i);
    expect(page).not.toContain('<b>');
    expect(page).toContain('cli&lt;nic&gt; &amp; &quot;co&quot;');
  });
});
