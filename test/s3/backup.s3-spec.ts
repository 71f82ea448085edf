import { existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { BackupEntry } from '../../src/backup/backup.types.js';
import type { Environment } from '../../src/config/read-settings.js';
import { backupDirectory, stockRestore, withBackups } from '../support/backups.js';
import { createDatabase, query } from '../support/clinic.js';
import { HttpFaultProxy } from '../support/http-fault-proxy.js';
import { PgkeepProcess, runCli } from '../support/pgkeep-process.js';
import { S3Bucket } from '../support/s3-server.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

/** The command, against a real S3 server and through proxies that fail as networks and servers do. */
describe('pgkeep backup with a bucket', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let bucket: S3Bucket;
  let directory: string;
  let environment: Environment;
  const proxies: { close(): Promise<void> }[] = [];

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own, 'offsite');
    // Some 18 MB: three parts.
    await query(
      url,
      `CREATE TABLE t AS SELECT i, string_agg(sha512((i::text || j)::bytea)::text, '') AS v
         FROM generate_series(1, 1400) i, generate_series(1, 100) j GROUP BY i`,
    );
  });
  afterAll(() => own.cluster.destroy());
  beforeEach(async () => {
    bucket = await S3Bucket.create();
    directory = backupDirectory();
    environment = {
      DATABASE_URL: url,
      NODE_ENV: 'test',
      BACKUP_DIR: directory,
      BACKUP_COMPRESSION: 'none',
      ...bucket.environment(),
    };
  });
  afterEach(async () => {
    for (const proxy of proxies.splice(0)) await proxy.close();
    await bucket.remove();
  });

  async function throughTcp(): Promise<{ proxy: TcpProxy; through: Environment }> {
    const proxy = await TcpProxy.to(Number(new URL(bucket.settings.endpoint).port));
    proxies.push(proxy);
    return { proxy, through: { ...environment, BACKUP_S3_ENDPOINT: `http://127.0.0.1:${proxy.port}` } };
  }

  async function throughHttp(): Promise<{ proxy: HttpFaultProxy; through: Environment }> {
    const proxy = await HttpFaultProxy.to(bucket.settings.endpoint);
    proxies.push(proxy);
    return { proxy, through: { ...environment, BACKUP_S3_ENDPOINT: proxy.url } };
  }

  function nameInDirectory(): string {
    const names = readdirSync(directory).flatMap((file) => /^(.*)\.dump$/.exec(file)?.[1] ?? []);
    expect(names).toHaveLength(1);
    return names[0] ?? '';
  }

  async function listed(): Promise<readonly BackupEntry[]> {
    return (await withBackups(environment, (backups) => backups.list())).backups;
  }

  function filesOf(name: string): string[] {
    return [`${name}.dump`, `${name}.manifest.json`];
  }

  /** Starts a backup whose second part is never answered, and waits until its upload is under way. */
  async function uploading(): Promise<PgkeepProcess> {
    const { proxy, through } = await throughHttp();
    proxy.fate = (request) => (request.includes('partNumber=2') ? 'hang' : 'pass');
    const pgkeep = new PgkeepProcess('cli', ['backup'], through);
    const isUnderWay = (): boolean => proxy.requests.some((request) => request.includes('partNumber=2'));
    await until(() => isUnderWay() || !pgkeep.isRunning, 20_000, 'an upload under way');
    expect(await bucket.uploads()).toHaveLength(1);
    return pgkeep;
  }

  it('works without the directory: listed, verified and restored from the bucket alone', async () => {
    const { code, stdout } = await runCli(['backup'], environment);
    expect(code).toBe(0);
    const name = nameInDirectory();
    const location = `s3://${bucket.settings.bucket}`;
    expect(stdout).toContain(`\n  copy      ${location}, verified\n`);
    expect(await bucket.keys()).toEqual(filesOf(name));
    expect(await bucket.uploads()).toEqual([]);
    expect(await listed()).toMatchObject([{ name, locations: [directory, location] }]);

    rmSync(directory, { recursive: true });
    expect(await listed()).toMatchObject([{ name, locations: [location] }]);
    expect(await runCli(['backup', 'verify', name], environment)).toEqual({
      code: 0,
      stdout: `${name} passed verification: every byte is as it was dumped, and the archive is complete.\n`,
      stderr: '',
    });
    const restored = await createDatabase(own, `restored_${Date.now()}`);
    const never = new AbortController().signal;
    const file = await withBackups(environment, (backups) =>
      backups.withArchive(name, never, async (archive) => {
        expect(await stockRestore(archive.file, restored)).toMatchObject({ exitCode: 0 });
        return archive.file;
      }),
    );
    expect(existsSync(file)).toBe(false);
    expect((await query(restored, 'SELECT count(*)::int AS rows FROM t')).rows).toEqual([{ rows: 1400 }]);
  });

  it('continues after the network is cut within a part, more than once', async () => {
    const { proxy, through } = await throughTcp();
    proxy.delayMs = 1;
    const pgkeep = new PgkeepProcess('cli', ['backup'], through);
    for (let cuts = 0; cuts < 3; cuts += 1) {
      await until(() => proxy.connections > 0 || !pgkeep.isRunning, 20_000, 'a connection');
      await new Promise((resolve) => setTimeout(resolve, 150));
      proxy.cut();
    }
    expect(await pgkeep.end(30_000)).toEqual({ code: 0, signal: null });
    expect(await bucket.keys()).toEqual(filesOf(nameInDirectory()));
    expect(await bucket.uploads()).toEqual([]);
  });

  it('ends with exit 1 if the network stays down, and the backup is in the directory', async () => {
    const { proxy, through } = await throughTcp();
    proxy.delayMs = 1;
    const pgkeep = new PgkeepProcess('cli', ['backup'], through);
    await until(async () => (await bucket.uploads()).length > 0, 20_000, 'an upload');
    proxy.mode = 'refuse';
    proxy.cut();
    expect(await pgkeep.end(60_000)).toEqual({ code: 1, signal: null });
    const name = nameInDirectory();
    expect(pgkeep.stderr).toContain(`Cannot upload ${name}: Cannot write ${name}.dump to s3://`);
    expect(pgkeep.stderr).toContain(`it cannot be reached (`);
    expect(pgkeep.stderr).toContain(`The backup itself is complete, in ${directory}.\n`);
    expect(pgkeep.stderr).toMatch(new RegExp(`\nThen upload again: \`pgkeep backup upload ${name}\`\\.\n$`));
    expect(await listed()).toMatchObject([{ name, locations: [directory] }]);

    const again = await runCli(['backup', 'upload', name], environment);
    expect(again.stdout).toBe(
      `Removed an unfinished upload: ${name}\n${name} is in ${directory} and s3://${bucket.settings.bucket}, verified.\n`,
    );
    expect(await bucket.keys()).toEqual(filesOf(name));
    expect(await bucket.uploads()).toEqual([]);
  });

  it('by kill -9 during the upload: kept in the directory; the next run removes the parts', async () => {
    const pgkeep = await uploading();
    await pgkeep.kill();
    const name = nameInDirectory();
    expect(await bucket.uploads()).toHaveLength(1);
    expect(await bucket.keys()).toEqual([`${name}.unfinished.json`]);
    expect(await listed()).toMatchObject([{ name, locations: [directory] }]);

    const next = await runCli(['backup'], environment);
    expect(next.code).toBe(0);
    expect(next.stdout).toContain(`Removed an unfinished backup: ${name}\n`);
    expect(await bucket.uploads()).toEqual([]);
    const [second] = await listed();
    expect(await bucket.keys()).toEqual(filesOf(second?.name ?? ''));
    expect((await runCli(['backup', 'upload'], environment)).code).toBe(0);
    expect(await bucket.keys()).toHaveLength(4);
  });

  it('by kill -9 while it verifies: an archive without a manifest is not listed, and removed', async () => {
    const { proxy, through } = await throughHttp();
    const isVerification = (request: string): boolean => /^GET \S+\.dump(?:\?|$)/.test(request);
    proxy.fate = (request) => (isVerification(request) ? 'hang' : 'pass');
    const pgkeep = new PgkeepProcess('cli', ['backup'], through);
    await until(() => proxy.requests.some(isVerification) || !pgkeep.isRunning, 20_000, 'the verification');
    await pgkeep.kill();
    const name = nameInDirectory();
    expect(await bucket.keys()).toEqual([`${name}.dump`, `${name}.unfinished.json`]);
    expect(await listed()).toMatchObject([{ name, locations: [directory] }]);
    const next = await runCli(['backup', 'upload'], environment);
    expect(next.stdout).toContain(`Removed an unfinished upload: ${name}\n`);
    expect(await bucket.keys()).toEqual(filesOf(name));
  });

  it('by SIGTERM while the server hangs: ends within seconds', async () => {
    const { proxy, through } = await throughTcp();
    proxy.mode = 'swallow';
    const pgkeep = new PgkeepProcess('cli', ['backup'], through);
    await until(() => proxy.connections > 0 || !pgkeep.isRunning, 20_000, 'a connection');
    pgkeep.signal('SIGTERM');
    expect(await pgkeep.end(20_000)).toEqual({ code: 143, signal: null });
    expect(pgkeep.stderr).toContain(`The backup itself is complete, in ${directory}.\n`);
  });

  it('by SIGTERM during the upload: exit 143, no part left, kept in the directory', async () => {
    const pgkeep = await uploading();
    pgkeep.signal('SIGTERM');
    expect(await pgkeep.end()).toEqual({ code: 143, signal: null });
    const name = nameInDirectory();
    expect(pgkeep.stderr).toBe(
      `Interrupted: did not upload ${name}. The backup itself is complete, in ${directory}.\nUpload again: \`pgkeep backup upload ${name}\`.\n`,
    );
    expect(await bucket.keys()).toEqual([]);
    expect(await bucket.uploads()).toEqual([]);
  });

  it('retries if the server answers 500, and leaves no part if it keeps failing', async () => {
    const { proxy, through } = await throughHttp();
    const failed = new Set<string>();
    proxy.fate = (request) => {
      const isNew = !failed.has(request);
      failed.add(request);
      return isNew ? 500 : 'pass';
    };
    expect((await runCli(['backup'], through)).code).toBe(0);
    const name = nameInDirectory();
    expect(await bucket.keys()).toEqual(filesOf(name));
    for (const file of filesOf(name)) rmSync(path.join(directory, file));

    proxy.fate = (request) => (request.includes('partNumber=2') ? 500 : 'pass');
    const { code, stderr } = await runCli(['backup'], through);
    expect(code).toBe(1);
    expect(stderr).toContain(': the server answered 500 (We encountered an internal error). The backup');
    expect(await bucket.keys()).toEqual(filesOf(name));
    expect(await bucket.uploads()).toEqual([]);
  });

  it('reports wrong credentials immediately, and a bucket that is gone', async () => {
    const refused = await runCli(['backup'], {
      ...environment,
      AWS_SECRET_ACCESS_KEY: 'a-wrong-secret-to-hide',
    });
    const name = nameInDirectory();
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      new RegExp(
        `^Cannot upload ${name}: Cannot write clock-\\S+\\.probe to s3://\\S+: access denied \\(SignatureDoesNotMatch: .*\\)\\. The backup itself is complete, in ${directory}\\.\nCheck AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile or role of this process\\.\nThen upload again: \`pgkeep backup upload ${name}\`\\.\n$`,
      ),
    );
    const gone = await runCli(['backup', 'upload', name], { ...environment, AWS_S3_BACKUP_BUCKET: 'gone' });
    expect(gone).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(
        new RegExp(
          `^Cannot upload ${name}: Cannot write clock-\\S+\\.probe to s3://gone: the bucket does not exist\\. The backup itself is complete, in ${directory}\\.\nCheck AWS_S3_BACKUP_BUCKET, or create the bucket: pgkeep does not create buckets\\.\nThen upload again: \`pgkeep backup upload ${name}\`\\.\n$`,
        ),
      ),
    });
    const list = await runCli(['backup', 'list'], { ...environment, AWS_S3_BACKUP_BUCKET: 'gone' });
    expect(list.code).toBe(0);
    expect(list.stdout).toContain(
      '\nThe list is incomplete: Cannot list s3://gone: the bucket does not exist.\n',
    );
    const prune = await runCli(['backup', 'prune'], { ...environment, AWS_S3_BACKUP_BUCKET: 'gone' });
    expect(prune).toEqual({
      code: 3,
      stdout: '',
      stderr:
        'Refused to prune: the list of backups is incomplete. Cannot list s3://gone: the bucket does not exist. Nothing was removed.\nRun the prune again when `pgkeep backup list` reports no error.\n',
    });
  });

  it('says which setting is missing if there is no bucket', async () => {
    const none = await runCli(['backup', 'upload'], { DATABASE_URL: url, BACKUP_DIR: directory });
    expect(none).toEqual({
      code: 78,
      stdout: '',
      stderr:
        'Cannot upload: no bucket is configured.\nSet BACKUP_UPLOAD_ENABLED=true, and AWS_S3_BACKUP_BUCKET or GCS_BACKUP_BUCKET.\n',
    });
  });
});
