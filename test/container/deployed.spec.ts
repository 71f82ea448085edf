import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort } from '../../src/cluster/postmaster.js';
import type { Environment } from '../../src/config/read-settings.js';
import { CLINIC_MIGRATIONS, createClinic, verified } from '../support/clinic.js';
import { PgkeepProcess, runExecutable } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import { environmentOf, Node, readYaml } from './deployment-file.js';

const TOKEN = 'f'.repeat(64);

interface Probe {
  readonly status: number;
  readonly body: {
    readonly checks: Readonly<Record<string, { readonly ok: boolean; readonly code?: string }>>;
  };
}

async function probe(url: string): Promise<Probe> {
  const answer = await fetch(`${url}/ready`);
  const body: Probe['body'] = JSON.parse(await answer.text());
  return { status: answer.status, body };
}

/** The container of a kind of workload in a manifest. */
function podOf(file: string, kind: string): Node {
  const document = readYaml(`deploy/kubernetes/${file}`).find((one) => one.at('kind').text === kind);
  return (document ?? new Node(undefined)).at('spec', 'template', 'spec');
}

/** The settings of the deployment files, with the files and addresses of this machine, on a real PostgreSQL. */
describe('pgkeep with the settings of', () => {
  let own: ThrowAwayCluster;
  let scratch: ThrowAwayCluster;
  let service: PgkeepProcess | undefined;

  beforeAll(async () => {
    [own, scratch] = await Promise.all([startThrowAwayCluster(), startThrowAwayCluster()]);
  });
  afterEach(async () => {
    service?.signal('SIGTERM');
    await service?.end();
    service = undefined;
  });
  afterAll(async () => {
    await Promise.all([own.cluster.destroy(), scratch.cluster.destroy()]);
  });

  /** The working directory of the image, and what the deployment mounts there. */
  function containerOf(environment: Environment, url: string): { cwd: string; environment: Environment } {
    const root = mkdtempSync(path.join(tmpdir(), 'pgkeep-deployed-'));
    const cwd = path.join(root, 'app');
    mkdirSync(path.join(cwd, 'prisma'), { recursive: true });
    mkdirSync(path.join(root, 'backups'), { mode: 0o700 });
    symlinkSync(CLINIC_MIGRATIONS, path.join(cwd, 'prisma/migrations'));
    const contents: Record<string, string> = {
      DATABASE_URL_FILE: verified(own, url),
      TEST_DATABASE_URL_FILE: verified(scratch, scratch.cluster.url('postgres')),
      ADMIN_API_TOKEN_FILE: TOKEN,
      METRICS_TOKEN_FILE: 'e'.repeat(64),
    };
    const entries = Object.entries(environment).map(([name, value = '']) => {
      if (name === 'TEST_DATABASE_URL')
        return [name, scratch.cluster.url('postgres', { sslmode: 'disable' })];
      if (!name.endsWith('_FILE')) return [name, value.replace('/backups', path.join(root, 'backups'))];
      const file = path.join(root, name);
      writeFileSync(file, `${contents[name] ?? ''}\n`);
      return [name, file];
    });
    return { cwd, environment: Object.fromEntries(entries) };
  }

  async function serve(cwd: string, environment: Environment): Promise<string> {
    const local = { ...environment, HOST: '127.0.0.1', PORT: String(await freePort()) };
    service = new PgkeepProcess('main', [], local, { cwd });
    return await service.listening();
  }

  async function untilReady(url: string): Promise<Probe['body']> {
    let latest = await probe(url);
    const isReady = async (): Promise<boolean> => {
      latest = await probe(url);
      return latest.status === 200;
    };
    await until(isReady, 60_000).catch((error: unknown) => {
      throw new Error(JSON.stringify(latest), { cause: error });
    });
    return latest.body;
  }

  async function expectReadyAfter(
    commands: readonly string[],
    { cwd, environment }: ReturnType<typeof containerOf>,
  ): Promise<void> {
    const url = await serve(cwd, environment);
    const before = await probe(url);
    expect(before.status).toBe(503);
    expect(before.body.checks['backupConfig']?.code).toBe('RESTORE_TEST_UNKNOWN');
    for (const command of commands) {
      const [program, ...argv] = command.trim().split(' ');
      expect(program).toBe('pgkeep');
      const { code, stderr } = await runExecutable(argv, environment, { cwd });
      expect({ command, code, stderr }).toMatchObject({ code: 0 });
    }
    const { checks } = await untilReady(url);
    expect(Object.entries(checks).filter(([, { ok }]) => !ok)).toEqual([]);
  }

  it('docker-compose.yml becomes ready with its first backup', async () => {
    const [compose = new Node(undefined)] = readYaml('docker-compose.yml');
    const script = compose.at('services', 'first-backup', 'command', 2).text;
    const container = containerOf(
      environmentOf(compose.at('services', 'pgkeep')),
      await createClinic(own, 'compose', { seeded: true }),
    );
    await expectReadyAfter(script.match(/pgkeep .*/g) ?? [], container);
  });

  it('deploy/kubernetes becomes ready with the commands of kustomization.yaml; so does a sidecar', async () => {
    const comments = readFileSync('deploy/kubernetes/kustomization.yaml', 'utf8');
    const url = await createClinic(own, 'kubernetes', { seeded: true });
    const pgkeep = podOf('stand-alone.yaml', 'Deployment').at('containers').named('pgkeep');
    const container = containerOf(environmentOf(pgkeep), url);
    const commands = [...comments.matchAll(/^# .*kubectl exec .* -- (pgkeep .*)$/gm)].map(
      ([, command = '']) => command,
    );
    expect(commands).toEqual(['pgkeep backup', 'pgkeep restore test']);
    await expectReadyAfter(commands, container);

    const beside = podOf('sidecar.yaml', 'Deployment').at('containers').named('pgkeep');
    const sidecar = containerOf(environmentOf(beside), url);
    service?.signal('SIGTERM');
    await service?.end();
    const { checks } = await untilReady(await serve(sidecar.cwd, sidecar.environment));
    expect(checks['backupConfig']).toMatchObject({ ok: true });
  });

  it('deploy/kubernetes/backup-cron-job.yaml backs up and prunes', async () => {
    const [cronJob = new Node(undefined)] = readYaml('deploy/kubernetes/backup-cron-job.yaml');
    const pod = cronJob.at('spec', 'jobTemplate', 'spec', 'template', 'spec');
    const containers = [...pod.at('initContainers').items, ...pod.at('containers').items];
    const url = await createClinic(own, 'cron', { seeded: true });
    const { cwd, environment } = containerOf(environmentOf(containers[0] ?? new Node(undefined)), url);
    // The service that runs beside it has done this already.
    for (const argv of [['install'], ['stamp', 'production']]) {
      expect((await runExecutable(argv, environment, { cwd })).code).toBe(0);
    }
    for (const container of containers) {
      const [, ...argv] = container.at('args').items.map(({ text }) => text);
      const { code, stderr } = await runExecutable(argv, environment, { cwd });
      expect({ argv, code, stderr }).toMatchObject({ code: 0 });
    }
  });
});
