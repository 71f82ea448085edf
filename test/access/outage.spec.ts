import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SessionService } from '../../src/access/session.service.js';
import { InstallService } from '../../src/install/install.service.js';
import { createDatabase, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { PagesApp } from '../support/pages.js';
import { runCli } from '../support/pgkeep-process.js';
import { ADMIN_TOKEN } from '../support/production.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

describe('sessions where their end cannot be recorded', () => {
  let own: ThrowAwayCluster;
  let url: string;
  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own, 'guarded');
  });
  afterAll(async () => await own.cluster.destroy());

  const settings = { ADMIN_API_TOKEN: ADMIN_TOKEN, DB_CONNECTION_TIMEOUT: '500', DB_QUERY_TIMEOUT: '500' };
  const isOpen = async (app: PagesApp, cookie: string): Promise<boolean> =>
    (await app.get('/page', { cookie })).status === 200;

  it('count without schema pgkeep; they end in the process that is asked', async () => {
    const [app, replica] = await Promise.all([
      PagesApp.start({ DATABASE_URL: url, ...settings }),
      PagesApp.start({ DATABASE_URL: url, ...settings }),
    ]);
    const cookie = await app.signIn(ADMIN_TOKEN);
    expect(await isOpen(replica, cookie)).toBe(true);
    expect((await app.post('/sign-out', { cookie })).body).toEqual({ everywhere: false });
    expect([await isOpen(app, cookie), await isOpen(replica, cookie)]).toEqual([false, true]);
    await expect(app.app.get(SessionService).revokeAll('ani (http)')).rejects.toMatchObject({
      code: 'NOT_INSTALLED',
      message: 'Cannot end all sessions: the database has no table pgkeep.ended_session.',
      hint: 'Run `pgkeep install`.',
    });
    // Once it is installed, the next try records the end.
    await app.app.get(InstallService).install();
    await until(async () => !(await isOpen(app, cookie)) && !(await isOpen(replica, cookie)));
    await Promise.all([app.close(), replica.close()]);
  });

  it('count while the database does not answer, and their end is recorded once it does', async () => {
    const proxy = await TcpProxy.to(own.cluster.port);
    const cutOff = changedUrl(url, { port: String(proxy.port) });
    const [app, replica] = await Promise.all([
      PagesApp.start({ DATABASE_URL: cutOff, ...settings }),
      PagesApp.start({ DATABASE_URL: url, ...settings }),
    ]);
    try {
      const [cookie, other] = [await app.signIn(ADMIN_TOKEN), await app.signIn(ADMIN_TOKEN)];
      proxy.mode = 'swallow';
      proxy.cut();
      expect((await app.post('/sign-out', { cookie })).body).toEqual({ everywhere: false });
      expect([await isOpen(app, cookie), await isOpen(replica, cookie)]).toEqual([false, true]);
      const began = performance.now();
      for (let n = 0; n < 20; n += 1) expect(await isOpen(app, other)).toBe(true);
      // At most one of them waits for the database, a quarter of a second.
      expect(performance.now() - began).toBeLessThan(3000);
      expect(await isOpen(app, await app.signIn(ADMIN_TOKEN))).toBe(true);
      proxy.mode = 'pass';
      proxy.cut();
      await until(async () => (await isOpen(app, other)) && !(await isOpen(replica, cookie)), 20_000);
      expect([await isOpen(app, cookie), await isOpen(replica, other)]).toEqual([false, true]);
    } finally {
      await Promise.all([app.close(), replica.close()]);
      await proxy.close();
    }
  });

  it('name the grant that a role lacks', async () => {
    await query(
      url,
      `CREATE ROLE "least role" LOGIN PASSWORD 'pw'; GRANT USAGE ON SCHEMA pgkeep TO "least role"`,
    );
    const least = changedUrl(url, { username: 'least%20role', password: 'pw' });
    const app = await PagesApp.start({ DATABASE_URL: least, ...settings });
    const cookie = await app.signIn(ADMIN_TOKEN);
    expect((await app.post('/sign-out', { cookie })).body).toEqual({ everywhere: false });
    expect(await isOpen(app, cookie)).toBe(false);
    await app.close();
    const { code, stderr } = await runCli(['sessions', 'end'], { DATABASE_URL: least });
    expect([code, stderr]).toEqual([
      1,
      'Cannot end all sessions: role "least role" may not write pgkeep.ended_session.\nRun as the owner of the schema: GRANT SELECT, INSERT, DELETE ON pgkeep.ended_session TO "least role";\n',
    ]);
    await query(url, 'GRANT SELECT, INSERT, DELETE ON pgkeep.ended_session TO "least role"');
    const unrecorded = await runCli(['sessions', 'end'], { DATABASE_URL: least });
    expect(unrecorded.code).toBe(1);
    expect(unrecorded.stderr).toContain('role "least role" lacks INSERT on pgkeep.change_log');
  });

  it('end when the file of the token gets another one', async () => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'pgkeep-test-')), 'token');
    writeFileSync(file, ADMIN_TOKEN);
    const app = await PagesApp.start({ DATABASE_URL: url, ADMIN_API_TOKEN_FILE: file });
    const cookie = await app.signIn(ADMIN_TOKEN);
    expect(await isOpen(app, cookie)).toBe(true);
    writeFileSync(file, `${ADMIN_TOKEN}-2`);
    await until(async () => !(await isOpen(app, cookie)));
    expect(await isOpen(app, await app.signIn(`${ADMIN_TOKEN}-2`))).toBe(true);
    await app.close();
  });
});
