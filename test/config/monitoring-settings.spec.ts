import { describe, expect, it } from '@jest/globals';
import { readSettings } from '../../src/config/read-settings.js';
import type { MonitoringSettings } from '../../src/config/settings.js';
import { withoutIgnored } from '../../src/monitoring/combine-report.js';
import type { MonitoringFinding } from '../../src/monitoring/monitoring.types.js';

const read = (environment: Readonly<Record<string, string>>): MonitoringSettings =>
  readSettings({ DATABASE_URL: 'postgresql://localhost/clinic', ...environment }).monitoring;

describe('the settings of monitoring', () => {
  it('are off, and every 15 s, by default', () => {
    expect(read({})).toEqual({
      enabled: false,
      intervalMs: 15_000,
      storageLimitBytes: undefined,
      ignored: [],
      connectionTimeMs: 5000,
      queryTimeMs: 10_000,
      connectionCount: 15,
    });
  });

  it.each([
    ['100GB', 1e11],
    ['1.5 TiB', 1.5 * 1024 ** 4],
    ['500mb', 5e8],
  ])('take %s as a size', (text, bytes) => {
    expect(read({ DB_STORAGE_LIMIT: text }).storageLimitBytes).toBe(bytes);
  });

  it.each(['100', '0GB', 'GB', '-1GB', '1XB', '1e3GB'])('refuse %s as a size', (text) => {
    expect(() => read({ DB_STORAGE_LIMIT: text })).toThrow(
      `DB_STORAGE_LIMIT must be a size such as 100GB or 1TiB: "${text}" is not a size`,
    );
  });

  it('take codes to ignore, each with a subject or without', () => {
    expect(read({ DB_MONITORING_IGNORE: 'INDEX_DUPLICATE, TABLE_UNLOGGED:staging.*,' }).ignored).toEqual([
      { code: 'INDEX_DUPLICATE', subject: undefined },
      { code: 'TABLE_UNLOGGED', subject: 'staging.*' },
    ]);
    expect(() => read({ DB_MONITORING_IGNORE: 'index duplicate' })).toThrow(
      '"index duplicate" is not a code',
    );
    expect(() => read({ DB_MONITORING_IGNORE: 'BLOCKED:' })).toThrow('"BLOCKED:" names no subject');
  });

  it.each([
    ['staging.*', 'staging.loaded', true],
    ['staging.*', 'app.staging.loaded', false],
    ['*', 'anything', true],
    ['a*b*c', 'a1b2c', true],
    ['a*b*c', 'acb', false],
    ['a*a', 'a', false],
    ['*.id', 'events.id', true],
    ['children', 'children_old', false],
    ['a.b', 'axb', false],
  ])('match %s with %s: %s', (subject, of, isIgnored) => {
    const finding: MonitoringFinding = {
      code: 'TABLE_UNLOGGED',
      severity: 'info',
      subject: of,
      text: '',
      remedy: '',
      sql: null,
    };
    expect(withoutIgnored([finding], [{ code: 'TABLE_UNLOGGED', subject }])).toHaveLength(isIgnored ? 0 : 1);
    expect(withoutIgnored([finding], [{ code: 'BLOCKED', subject }])).toHaveLength(1);
  });
});
