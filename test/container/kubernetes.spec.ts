import { describe, expect, it } from '@jest/globals';
import type { Settings } from '../../src/config/settings.js';
import { environmentOf, Node, readYaml } from './deployment-file.js';
import { settingsOf } from './settings-of.js';

const DIRECTORY = 'deploy/kubernetes';
const SECRETS = {
  'database-url': `postgresql://u:${'a'.repeat(32)}@db:5432/clinic?sslmode=verify-full&sslrootcert=/run/secrets/pgkeep/root.crt`,
  'admin-api-token': 'f'.repeat(64),
  'root.crt': '',
};

interface Pod {
  readonly spec: Node;
  readonly pgkeep: Node;
  readonly settings: Settings;
}

function readPod(file: string): Pod {
  const deployment = readYaml(`${DIRECTORY}/${file}`).find(
    (document) => document.at('kind').text === 'Deployment',
  );
  const spec = (deployment ?? new Node(undefined)).at('spec', 'template', 'spec');
  const pgkeep = spec.at('containers').named('pgkeep');
  const mount = pgkeep.at('volumeMounts').named('secret').at('mountPath').text;
  return { spec, pgkeep, settings: settingsOf(environmentOf(pgkeep), mount, SECRETS) };
}

describe.each(['stand-alone.yaml', 'sidecar.yaml'])('%s', (file) => {
  const { spec, pgkeep, settings } = readPod(file);

  it('has valid settings, and secrets as files only', () => {
    expect(settings).toMatchObject({
      environment: 'production',
      database: { url: { sslMode: 'verify-full' } },
      migrationsDirectory: '/app/prisma/migrations',
    });
    expect(pgkeep.at('env').items.filter((entry) => entry.at('valueFrom').value !== undefined)).toEqual([]);
  });

  it('probes life on /live and readiness on /ready, at the port it listens on', () => {
    expect(pgkeep.at('livenessProbe', 'httpGet', 'path').value).toBe('/live');
    expect(pgkeep.at('readinessProbe', 'httpGet', 'path').value).toBe('/ready');
    for (const probe of ['livenessProbe', 'readinessProbe']) {
      const port = pgkeep.at('ports').named(pgkeep.at(probe, 'httpGet', 'port').text);
      expect(port.at('containerPort').value).toBe(settings.http.port);
    }
    // Several probes get 503 before the port is closed, and it is closed before the kubelet kills the process.
    expect(Number(pgkeep.at('readinessProbe', 'periodSeconds').value) * 1000).toBeLessThanOrEqual(
      settings.readiness.refreshMs,
    );
    expect(Number(spec.at('terminationGracePeriodSeconds').value) * 1000).toBeGreaterThan(
      settings.readiness.refreshMs * 2,
    );
  });

  it('has the least privileges: no root, no writable root file system, no capability, no token of the cluster', () => {
    expect(spec.value).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
    expect(pgkeep.at('securityContext').value).toEqual({
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    });
    expect(pgkeep.at('resources', 'limits', 'memory').text).toMatch(/^\d+Mi$/);
    // Files owned by root that pgkeep can read through its group.
    expect(spec.at('securityContext', 'fsGroup').value).toBe(10_001);
    expect(spec.at('volumes').named('secret').at('secret', 'defaultMode').value).toBe(0o440);
  });

  it('has its own port in the pod', () => {
    const ports = spec
      .at('containers')
      .items.flatMap((container) =>
        container.at('ports').items.map((port) => port.at('containerPort').value),
      );
    expect(new Set(ports).size).toBe(ports.length);
  });
});

it('kustomization.yaml replaces the image that stand-alone.yaml names', () => {
  const kustomization = readYaml(`${DIRECTORY}/kustomization.yaml`)[0] ?? new Node(undefined);
  expect(kustomization.at('resources').value).toEqual(['backup-volume.yaml', 'stand-alone.yaml']);
  const image = readPod('stand-alone.yaml').pgkeep.at('image').text;
  expect(kustomization.at('images').named(image).at('newName').text).not.toBe('');
});

it('stand-alone.yaml backs up into its own volume, and tests restores on a server that only its pod reaches', () => {
  const { spec, pgkeep, settings } = readPod('stand-alone.yaml');
  expect(settings).toMatchObject({
    backup: {
      enabled: true,
      schedule: '0 2 * * *',
      restoreTestSchedule: '0 4 * * 0',
      directory: pgkeep.at('volumeMounts').named('backups').at('mountPath').text,
    },
    restore: { testUrl: { hosts: [{ host: '127.0.0.1', port: 5432 }] } },
  });
  // Every check keeps its default gate.
  expect(settings.readiness.gates).toEqual({});
  const claim = spec.at('volumes').named('backups').at('persistentVolumeClaim', 'claimName').text;
  const volume = readYaml(`${DIRECTORY}/backup-volume.yaml`)[0] ?? new Node(undefined);
  expect(volume.at('metadata', 'name').text).toBe(claim);
  const scratch = spec.at('containers').named('scratch');
  expect(scratch.at('args').value).toEqual(['-c', 'listen_addresses=127.0.0.1']);
  expect(scratch.at('securityContext').value).toEqual({
    runAsUser: 999,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
  });
  expect(scratch.at('resources', 'limits', 'memory').text).toBe('1Gi');
});

it('sidecar.yaml leaves backups to the service, and an overdue test does not take pods out of service', () => {
  const { settings } = readPod('sidecar.yaml');
  expect(settings.backup).toMatchObject({
    enabled: true,
    schedule: undefined,
    restoreTestSchedule: undefined,
  });
  expect(settings.readiness.gates).toMatchObject({ backupConfig: 'latch', backups: 'warn' });
});

it('stand-alone.yaml’s service is reachable while it is not ready, to report why', () => {
  const service = readYaml(`${DIRECTORY}/stand-alone.yaml`).find(
    (document) => document.at('kind').text === 'Service',
  );
  expect(service?.at('spec', 'publishNotReadyAddresses').value).toBe(true);
});

describe('backup-cron-job.yaml', () => {
  const cronJob = readYaml(`${DIRECTORY}/backup-cron-job.yaml`).find(
    (document) => document.at('kind').text === 'CronJob',
  );
  const spec = (cronJob ?? new Node(undefined)).at('spec');
  const pod = spec.at('jobTemplate', 'spec', 'template', 'spec');
  const containers = [...pod.at('initContainers').items, ...pod.at('containers').items];

  it('backs up, then prunes, and never runs twice at the same time', () => {
    expect(containers.map((container) => container.at('args').value)).toEqual([
      ['pgkeep', 'backup', '--reason', 'scheduled'],
      ['pgkeep', 'backup', 'prune'],
    ]);
    expect(spec.at('concurrencyPolicy').value).toBe('Forbid');
    expect(pod.at('restartPolicy').value).toBe('Never');
  });

  it('has valid settings, a volume for the backups, and the least privileges', () => {
    for (const container of containers) {
      const mounts = container.at('volumeMounts');
      const settings = settingsOf(
        environmentOf(container),
        mounts.named('secret').at('mountPath').text,
        SECRETS,
      );
      expect(settings.environment).toBe('production');
      expect(settings.backup.directory).toBe(mounts.named('backups').at('mountPath').text);
      expect(container.at('securityContext').value).toEqual({
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
      });
    }
    expect(pod.value).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
  });
});

describe('migrate-job.yaml', () => {
  const job = readYaml(`${DIRECTORY}/migrate-job.yaml`)[0] ?? new Node(undefined);
  const spec = job.at('spec');
  const pod = spec.at('template', 'spec');
  const pgkeep = pod.at('containers').named('pgkeep');

  it('deploys once: a failure is not retried', () => {
    expect(job.at('kind').value).toBe('Job');
    expect(pgkeep.at('args').value).toEqual(['pgkeep', 'migrate', 'deploy', '--wait']);
    expect(spec.at('backoffLimit').value).toBe(0);
    expect(pod.at('restartPolicy').value).toBe('Never');
  });

  it('has valid settings, a volume for the backup, and the least privileges', () => {
    const mounts = pgkeep.at('volumeMounts');
    const secret = mounts.named('secret').at('mountPath').text;
    const settings = settingsOf(environmentOf(pgkeep), secret, SECRETS);
    expect(settings).toMatchObject({
      environment: 'production',
      migrationsDirectory: '/app/prisma/migrations',
      backup: { directory: mounts.named('backups').at('mountPath').text },
    });
    expect(pgkeep.at('securityContext').value).toEqual({
      readOnlyRootFilesystem: true,
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    });
    expect(pod.value).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
  });
});
