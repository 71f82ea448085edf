import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { page as pageAnswer } from '../../src/dashboard/answer.js';
import { ASSET_NAMES, assetOf } from '../../src/dashboard/assets.js';
import { shell } from '../../src/dashboard/layout.js';
import { overviewPage } from '../../src/dashboard/overview-page.js';
import { DEFAULT_RANGE } from '../../src/dashboard/scale.js';
import { InstallService } from '../../src/install/install.service.js';
import { history, NOW, STATES } from '../dashboard/overviews.js';
import { createGuarded } from '../support/guarded-database.js';
import { ADMIN_TOKEN } from '../support/production.js';
import type { TcpProxy } from '../support/tcp-proxy.js';
import { startBehindProxy } from '../support/service-behind-proxy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import type { WatchedService } from '../support/watched-service.js';

/** `npm run test:heavy` installs it, as root. */
const CHROMIUM = '/usr/bin/chromium';
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

type StorageState = Awaited<ReturnType<BrowserContext['storageState']>>;

const SCHEMES = ['light', 'dark'] as const;
const SIZES = [
  { name: 'desktop', width: 1280, height: 900 },
  { name: 'phone', width: 390, height: 844 },
] as const;
const PAGES = [
  'overview',
  'activity',
  'backups',
  'restore-tests',
  'migrations',
  'statements',
  'tables',
  'audit-log',
];

describe('the dashboard in a browser', () => {
  let browser: Browser;
  let context: BrowserContext | undefined;
  /** What the browser complained about: a violated policy, a script that failed, a file that is missing. */
  let complaints: string[];

  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
  });
  afterEach(async () => await context?.close());
  afterAll(async () => await browser.close());

  async function open(options: Parameters<Browser['newContext']>[0] = {}): Promise<Page> {
    context = await browser.newContext(options);
    complaints = [];
    const page = await context.newPage();
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    return page;
  }

  /** What axe finds, by WCAG 2.2 AA and its best practices. */
  async function violationsOf(page: Page): Promise<unknown> {
    // The page's policy allows no inline script: the debugger's evaluation is not one.
    await page.evaluate(AXE);
    return await page.evaluate(
      `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
         .then(({ violations }) => violations.map(({ id, nodes }) => id + ': ' + nodes.map(({ target }) => target).join(', ')))`,
    );
  }

  async function overflowOf(page: Page): Promise<unknown> {
    return await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
  }

  describe('in each state', () => {
    let server: Server;
    let base: string;

    beforeAll(async () => {
      server = createServer((request, response) => {
        const name = (request.url ?? '').split('/').at(-1) ?? '';
        const asset = assetOf(name);
        const found = Object.entries(STATES).find(([state]) => state === name);
        const answer = asset ?? (found && pageAnswer(documentOf(found[1])));
        response.writeHead(answer?.status ?? 404, { ...answer?.headers }).end(answer?.body);
      }).listen(0, '127.0.0.1');
      await once(server, 'listening');
      const address = server.address();
      base = `http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`;
    });
    afterAll(() => {
      server.close();
    });

    function documentOf(overview: (typeof STATES)[keyof typeof STATES]): string {
      const viewer = { name: 'Maria', mayAct: true };
      const series = overview.monitoring.report ? history(DEFAULT_RANGE.hours) : {};
      const main = overviewPage({ overview, viewer, now: NOW, range: DEFAULT_RANGE, series });
      return shell({ overview, viewer, assets: ASSET_NAMES, current: undefined, main });
    }

    const cases = Object.keys(STATES).flatMap((state) =>
      SCHEMES.flatMap((colorScheme) => SIZES.map((size) => ({ state, colorScheme, ...size }))),
    );

    it.each(cases)('$state, $colorScheme, $name: axe finds nothing, and nothing overflows', async (one) => {
      const { state, colorScheme, width, height } = one;
      const page = await open({ colorScheme, viewport: { width, height } });
      await page.goto(`${base}/${state}`);
      await page.evaluate(`document.querySelectorAll('details').forEach((each) => { each.open = true; })`);
      expect(await violationsOf(page)).toEqual([]);
      expect(await overflowOf(page)).toBe(0);
      expect(complaints).toEqual([]);
    });

    it('reads values out of a chart by the arrow keys, and restores the note when it is left', async () => {
      const page = await open();
      await page.goto(`${base}/calm`);
      const chart = page.locator('.chart').first();
      const note = await chart.locator('.note').textContent();
      await chart.locator('.plot').first().focus();
      await page.keyboard.press('ArrowLeft');
      expect(await chart.locator('.note').textContent()).toMatch(/^\s*\d\d:\d\d UTC: \d+/);
      await page.keyboard.press('Tab');
      expect(await chart.locator('.note').textContent()).toBe(note);
    });

    it('folds on a phone what needs no attention, and shows all of it on a desktop', async () => {
      const page = await open({ viewport: { width: 390, height: 844 } });
      await page.goto(`${base}/trouble`);
      expect(await page.locator('.plot').first().isVisible()).toBe(false);
      expect(await page.locator('#attention').isVisible()).toBe(true);
      expect(await page.evaluate('document.documentElement.scrollHeight')).toBeLessThan(4 * 844);
      await page.setViewportSize({ width: 1280, height: 900 });
      expect(await page.locator('.plot').first().isVisible()).toBe(true);
    });
  });

  describe('of a service', () => {
    let own: ThrowAwayCluster;
    let proxy: TcpProxy;
    let service: WatchedService;
    let session: StorageState | undefined;

    beforeAll(async () => {
      own = await startThrowAwayCluster();
      ({ proxy, service } = await startBehindProxy(await createGuarded(own, 'guarded')));
      await service.app.get(InstallService).install('test');
      await service.untilVerdict('ready');
    });
    afterAll(async () => {
      await service.close();
      await proxy.close();
      await own.cluster.destroy();
    });

    /** A session to begin with: signing in is tested once. */
    async function sessionState(): Promise<StorageState> {
      const page = await open();
      await signIn(page);
      const state = await page.context().storageState();
      await page.context().close();
      return state;
    }

    async function signIn(page: Page): Promise<void> {
      await page.goto(`${service.url}/`);
      // A browser that has just started sets the focus late.
      await page.waitForSelector('input:focus');
      await page.keyboard.type(ADMIN_TOKEN);
      await page.keyboard.press('Tab');
      await page.keyboard.type('Maria');
      await page.keyboard.press('Enter');
      await page.waitForSelector('#verdict');
    }

    it.each([true, false])('is walked by the keyboard alone, with script: %s', async (javaScriptEnabled) => {
      const page = await open({ javaScriptEnabled });
      await signIn(page);
      await page.keyboard.press('Tab');
      await page.keyboard.press('Enter');
      expect(new URL(page.url()).hash).toBe('#main');
      for (const name of PAGES) {
        await page.locator(`nav.pages a[href="${name}"]`).focus();
        await page.keyboard.press('Enter');
        await page.waitForURL(`${service.url}/${name}`);
        expect(await page.locator('nav.pages a[aria-current]').getAttribute('href')).toBe(name);
      }
      await page.goto(`${service.url}/overview`);
      await page.locator('#checks summary').focus();
      await page.keyboard.press('Enter');
      expect(await page.locator('#checks').getAttribute('open')).toBe('');
      await page.locator('.ranges a', { hasText: '7d' }).press('Enter');
      await page.waitForURL(/range=7d/);
      expect(complaints).toEqual([]);
    });

    it.each(PAGES.flatMap((page) => SIZES.map(({ name, width, height }) => ({ page, name, width, height }))))(
      'has /$page without fault, $name',
      async ({ page: name, width, height }) => {
        session ??= await sessionState();
        const page = await open({ viewport: { width, height }, storageState: session });
        await page.goto(`${service.url}/${name}`);
        expect(await violationsOf(page)).toEqual([]);
        expect(await overflowOf(page)).toBe(0);
        expect(complaints).toEqual([]);
      },
    );

    it('has a sign-in without fault, which says what was wrong', async () => {
      const page = await open({ colorScheme: 'dark' });
      await page.goto(`${service.url}/`);
      await page.waitForSelector('input:focus');
      await page.keyboard.type('wrong');
      await page.keyboard.press('Enter');
      await page.waitForSelector('#fault');
      expect(await page.locator('#fault').textContent()).toContain('This is not the admin token.');
      expect(await violationsOf(page)).toEqual([]);
    });

    it('stays current while it is open, keeps what was opened, and says when the database is gone', async () => {
      const page = await open();
      await signIn(page);
      await page.locator('#checks summary').click();
      proxy.mode = 'refuse';
      proxy.cut();
      await until(async () => (await page.title()).startsWith('NOT SAFE'), 60_000);
      expect(await page.locator('#verdict').textContent()).toContain('Not safe to serve');
      expect(await page.locator('#checks').getAttribute('open')).toBe('');
      expect(await page.locator('link[rel=icon]').getAttribute('href')).toMatch(/bad\./);
      await signIn(await browser.newPage());
      proxy.mode = 'pass';
      await until(async () => !(await page.title()).startsWith('NOT SAFE'), 60_000);
    });

    it('starts a backup by its button, without script', async () => {
      const page = await open({ javaScriptEnabled: false });
      await signIn(page);
      await page.locator('form[action="back-up"] button').press('Enter');
      await page.waitForSelector('.notice');
      expect(await page.locator('.notice').textContent()).toContain('A backup has begun.');
      await until(async () => {
        await page.goto(`${service.url}/backups`);
        return (
          (await page.locator('table.stack tbody tr').count()) > 0 &&
          (await page.getByText('succeeded').count()) > 0
        );
      });
    });

    it('executes no script that was injected into it', async () => {
      const page = await open();
      await signIn(page);
      const outcome = await page.evaluate(`new Promise((resolve) => {
        document.addEventListener('securitypolicyviolation', ({ violatedDirective }) => resolve(violatedDirective));
        const script = document.createElement('script');
        script.textContent = 'window.executed = true';
        document.body.append(script);
      })`);
      expect([outcome, await page.evaluate('window.executed')]).toEqual(['script-src-elem', undefined]);
    });
  });
});
