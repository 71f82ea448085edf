import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { PgkeepDashboardModule, PgkeepHttpModule, PgkeepModule, readSettings } from '../../src/index.js';
import { InstallService } from '../../src/install/install.service.js';
import { AuditLogService } from '../../src/audit-log/audit-log.service.js';
import { createGuarded, execute, type GuardedDatabase } from '../support/guarded-database.js';
import { ADMIN_TOKEN } from '../support/production.js';
import type { TcpProxy } from '../support/tcp-proxy.js';
import { startBehindProxy } from '../support/service-behind-proxy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import type { WatchedService } from '../support/watched-service.js';
import { BrowserSession, type PageAnswer } from './browser-session.js';

const HOSTILE = `<img src=x onerror=alert(1)>"'&`;

describe('the dashboard', () => {
  let own: ThrowAwayCluster;
  let guarded: GuardedDatabase;
  let proxy: TcpProxy;
  let service: WatchedService;
  let browser: BrowserSession;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    guarded = await createGuarded(own, 'guarded');
    await execute(
      guarded.url,
      `CREATE TABLE public."${HOSTILE.replaceAll('"', '""')}" AS SELECT 1 AS a; ANALYZE`,
    );
    ({ proxy, service } = await startBehindProxy(guarded, {
      EMERGENCY_CONTACTS: `${HOSTILE} | Stop immediately | Database Admin`,
    }));
    await service.app.get(InstallService).install('test');
    await service.untilVerdict('ready');
    browser = new BrowserSession(`${service.url}/`);
    await browser.signIn('sign-in');
  });
  afterAll(async () => {
    await service.close();
    await proxy.close();
    await own.cluster.destroy();
  });

  const anonymous = (): BrowserSession => new BrowserSession(`${service.url}/`);

  it.each(['', 'overview', 'backups', 'restore-test?number=1', 'restore-test-report?number=1'])(
    'leads from /%s to the sign-in without a session',
    async (path) => {
      const { status, headers, text } = await anonymous().get(path);
      expect([status, headers.get('location'), text]).toEqual([303, 'sign-in', '']);
    },
  );

  it('answers the script without a session with 401', async () => {
    expect((await anonymous().get('ui/live')).status).toBe(401);
  });

  it('says on the form what was wrong, and shows neither token nor name there', async () => {
    const { status, text } = await anonymous().signIn('sign-in', HOSTILE, 'wrong-token');
    expect(status).toBe(401);
    expect(text).toContain('This is not the admin token. Enter the value of ADMIN_API_TOKEN.');
    expect(text).not.toContain('wrong-token');
    expect(text).not.toContain('onerror');
  });

  it('has every page, each with the headers that keep scripts and frames of others out', async () => {
    const pages = [
      '',
      'overview',
      'activity',
      'backups',
      'restore-tests',
      'migrations',
      'statements',
      'tables',
      'audit-log',
    ];
    for (const path of [...pages, 'sign-in']) {
      const { status, headers, text } = await browser.get(path);
      expect([path, status, headers.get('cache-control')]).toEqual([path, 200, 'no-store']);
      expect(headers.get('content-security-policy')).toBe(
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
      );
      expect([headers.get('x-frame-options'), headers.get('x-content-type-options')]).toEqual([
        'DENY',
        'nosniff',
      ]);
      // Nothing inline, and no address that leads away.
      expect(text).not.toMatch(
        /<[^>]* (?:style|on\w+)=|<style|<script(?! src="ui\/)|(?:href|src|action)="(?:https?:)?\//,
      );
    }
  });

  it('weighs less than 100 kB with its style sheet, its script and its icon, which never change', async () => {
    const { text } = await browser.get('overview');
    const files = [
      ...new Set([...text.matchAll(/"(ui\/[\w.]+\.(?:css|js|svg))"/g)].map(([, file = '']) => file)),
    ];
    expect(files).toHaveLength(4);
    let bytes = Buffer.byteLength(text);
    for (const file of files) {
      const answer = await anonymous().get(file);
      expect([answer.status, answer.headers.get('cache-control')]).toEqual([
        200,
        'public, max-age=31536000, immutable',
      ]);
      bytes += Buffer.byteLength(answer.text);
    }
    expect(bytes).toBeLessThan(100_000);
    expect((await anonymous().get('ui/dashboard.000000000000.css')).status).toBe(404);
  });

  it('shows names that hold markup as they are', async () => {
    await until(async () => (await browser.get('tables')).text.includes('onerror'));
    const escaped = '&lt;img src=x onerror=alert(1)&gt;&quot;';
    for (const path of ['tables', 'overview']) {
      const { text } = await browser.get(path);
      expect(text).toContain(escaped);
      expect(text).not.toContain('<img');
    }
  });

  it('answers 304 while nothing has changed, to 400 tabs with one making of the page', async () => {
    const { headers, text } = await browser.get('ui/live');
    const etag = headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[\w-]{22}"$/);
    expect([decodeURIComponent(headers.get('x-title') ?? ''), text.includes('id="verdict"')]).toEqual([
      expect.stringContaining('guarded'),
      true,
    ]);
    const answers = await Promise.all(
      Array.from({ length: 400 }, async () => await browser.get('ui/live', { 'if-none-match': etag })),
    );
    expect(new Set(answers.map(({ headers: each }) => each.get('etag'))).size).toBeLessThan(4);
    await until(async () => {
      const known = (await browser.get('ui/live')).headers.get('etag') ?? '';
      const again = await browser.get('ui/live', { 'if-none-match': known });
      return again.status === 304 && again.text === '';
    });
  });

  it('refuses what another site’s page sends, with a session or without', async () => {
    const foreign: Readonly<Record<string, string>>[] = [
      { 'sec-fetch-site': 'cross-site' },
      { origin: 'https://evil.example' },
    ];
    for (const headers of foreign) {
      const answer: PageAnswer = await browser.post('back-up', {}, headers);
      expect([answer.status, answer.text.includes('CROSS_SITE_REFUSED')]).toEqual([403, true]);
      const signIn = await anonymous().post('sign-in', { token: ADMIN_TOKEN }, headers);
      expect([signIn.status, signIn.headers.get('set-cookie')]).toEqual([403, null]);
    }
    expect((await anonymous().post('back-up')).headers.get('location')).toBe('sign-in');
  });

  it('starts a backup and a restore test, and the audit log names the person', async () => {
    const begun = await browser.post('back-up');
    expect([begun.status, begun.headers.get('location')]).toEqual([303, 'overview?done=backup-begun']);
    expect((await browser.get('overview?done=backup-begun')).text).toContain('A backup has begun.');
    expect((await browser.get('overview?done=<b>')).text).not.toContain('class="notice');
    const actions = async (): Promise<string[]> => {
      const { entries } = await service.app.get(AuditLogService).list(10);
      return entries.map(({ action, actor }) => `${action} by ${actor}`);
    };
    await until(async () => (await actions()).includes('backup by Maria, admin token (http)'));
    await until(
      async () =>
        (await browser.post('test-restore')).headers.get('location') === 'overview?done=restore-test-begun',
    );
    await until(async () => (await actions()).includes('restore-test by Maria, admin token (http)'), 60_000);
  }, 90_000);

  it('silences an alert for a reason, and records who did', async () => {
    const fields = {
      code: 'BLOCKED',
      subject: 'clinic-import',
      hours: '2',
      because: 'the import of November',
    };
    const { status, headers, text } = await browser.post('silence', fields);
    expect([status, headers.get('location'), text]).toEqual([303, 'overview?done=silenced', '']);
    const { entries } = await service.app.get(AuditLogService).list(1);
    expect(entries).toMatchObject([{ action: 'silence', actor: 'Maria, admin token (http)' }]);
    const refused = await browser.post('silence', { ...fields, because: ' ' });
    expect([refused.status, refused.text.includes('A silence needs a reason.')]).toEqual([400, true]);
  });

  it('shows the report of a restore test, and offers the one for an auditor', async () => {
    const { status, text } = await browser.get('restore-test?number=1');
    expect([status, text.includes('Restore test 1: passed')]).toEqual([200, true]);
    expect(text).toContain('&lt;img src=x onerror');
    const report = await browser.get('restore-test-report?number=1');
    expect([report.status, report.headers.get('content-disposition')]).toEqual([
      200,
      expect.stringMatching(/^attachment; filename="restore-test-1-guarded_test_\w+\.html"$/),
    ]);
    expect(report.headers.get('content-security-policy')).toMatch(/^sandbox; /);
    for (const number of ['2', '0', 'x', '1e99']) {
      const none = await browser.get(`restore-test?number=${number}`);
      expect([none.status, none.text.includes('There is no restore test of this number.')]).toEqual([
        404,
        true,
      ]);
    }
  });

  it('shows what was last known while the database is frozen, within 500 ms', async () => {
    proxy.mode = 'swallow';
    await service.untilVerdict('not_ready', 30_000);
    await until(async () => (await browser.get('ui/live')).text.includes('Not safe to serve'));
    const started = performance.now();
    const { status, text } = await browser.get('overview');
    expect(performance.now() - started).toBeLessThan(500);
    expect([status, text.includes('NOT SAFE · guarded'), text.includes('1 migration applied')]).toEqual([
      200,
      true,
      true,
    ]);
    proxy.mode = 'pass';
    proxy.cut();
    await service.untilVerdict('ready', 30_000);
  }, 90_000);

  it('keeps /status closed unless it is opted in', async () => {
    expect((await anonymous().get('status')).status).toBe(404);
  });

  it('ends the session with the sign-out', async () => {
    const other = anonymous();
    await other.signIn('sign-in');
    expect((await other.get('overview')).status).toBe(200);
    const { status, headers } = await other.post('sign-out');
    expect([status, headers.get('location'), headers.get('set-cookie')]).toEqual([
      303,
      'sign-in',
      expect.stringContaining('Max-Age=0'),
    ]);
    expect((await other.get('overview')).status).toBe(303);
  });

  describe('in an Express application, below a path', () => {
    let app: INestApplication;
    let mounted: BrowserSession;

    beforeAll(async () => {
      const settings = readSettings({
        NODE_ENV: 'test',
        DATABASE_URL: guarded.url,
        MIGRATIONS_DIR: guarded.migrationsDirectory,
        ADMIN_API_TOKEN: ADMIN_TOKEN,
        STATUS_PAGE_ENABLED: 'true',
      });
      @Module({
        imports: [PgkeepModule.forRoot(settings), PgkeepHttpModule, PgkeepDashboardModule.at('admin/pgkeep')],
      })
      class Application {}
      const { ExpressAdapter } = await import('@nestjs/platform-express');
      app = await NestFactory.create(Application, new ExpressAdapter(), {
        logger: false,
        abortOnError: false,
      });
      await app.listen(0, '127.0.0.1');
      mounted = new BrowserSession(`${await app.getUrl()}/admin/pgkeep/`);
    });
    afterAll(async () => await app.close());

    it('has a sign-in, pages and files that link each other relatively', async () => {
      const { headers } = await mounted.signIn('sign-in');
      expect([headers.get('location'), headers.get('set-cookie')]).toEqual([
        'overview',
        expect.stringContaining('Path=/admin/pgkeep/'),
      ]);
      expect((await mounted.get('../pgkeep')).headers.get('location')).toBe('pgkeep/overview');
      const { status, text } = await mounted.get('overview');
      expect([status, text.includes('href="backups"')]).toEqual([200, true]);
      const style = /href="(ui\/[^"]+\.css)"/.exec(text)?.[1] ?? '';
      expect((await mounted.get(style)).headers.get('content-type')).toBe('text/css; charset=utf-8');
    });

    it('shows everybody on /status whether the database is ready, and nothing else', async () => {
      await until(async () =>
        (await new BrowserSession(mounted.base).get('status')).text.includes('>Available<'),
      );
      const { text } = await new BrowserSession(mounted.base).get('status');
      expect(text).not.toMatch(/guarded|PostgreSQL|\d+\.\d+\.\d+\.\d+|migrations/);
    });
  });
});
