import { existsSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { SECRET_SETTINGS } from '../../src/config/settings-list.js';
import { environmentOf, Node, readYaml } from './deployment-file.js';
import { settingsOf } from './settings-of.js';

const TOKEN = 'f'.repeat(64);
const METRICS_TOKEN = 'e'.repeat(64);

describe('docker-compose.yml', () => {
  const text = readFileSync('docker-compose.yml', 'utf8');
  const comments = text.split('\n').filter((line) => /^\s*#/.test(line));
  let compose: Node;
  let postgres: Node;
  let pgkeep: Node;

  beforeAll(() => {
    compose = readYaml('docker-compose.yml')[0] ?? new Node(undefined);
    postgres = compose.at('services', 'postgres');
    pgkeep = compose.at('services', 'pgkeep');
  });

  it('keeps the database in a named volume, and explains why `down -v` is forbidden', () => {
    expect(postgres.at('image').text).toBe('postgres:17');
    expect(postgres.at('volumes').value).toContain('postgres_data:/var/lib/postgresql/data');
    expect(compose.at('volumes').keys).toContain('postgres_data');
    expect(comments.join('\n')).toMatch(/NEVER `docker compose down -v`[\s\S]*-v deletes both/);
    // No command in the file runs it.
    const commands = text.split('\n').filter((line) => !/NEVER|Never -v|without/.test(line));
    expect(commands.filter((line) => /\bdown\b.*\s(-v|--volumes)\b/.test(line))).toEqual([]);
  });

  it('enables TLS, and requires it over the network', () => {
    expect(postgres.at('command').value).toEqual(
      expect.arrayContaining(['ssl=on', 'ssl_cert_file=/tls/server.crt', 'hba_file=/tls/pg_hba.conf']),
    );
    const script = compose.at('services', 'certificates', 'command', 0).text;
    const rules = /printf '([^']*)' > pg_hba\.conf/
      .exec(script)?.[1]
      ?.split(String.raw`\n`)
      .filter(Boolean);
    expect(rules).toEqual(['local all all trust', 'hostssl all all all scram-sha-256']);
    // The authority's key is not kept; only PostgreSQL can read the server's.
    expect(script).not.toMatch(/install .*root\.key/);
    expect(script).toMatch(/install -o postgres -g postgres -m 600 .*server\.key/);
    expect(pgkeep.at('volumes').items.filter((volume) => volume.text.startsWith('postgres_tls'))).toEqual([]);
  });

  it('has every secret in a file below secrets/, which neither a build nor git includes', () => {
    for (const secret of compose.at('secrets').items) {
      expect(secret.at('file').text).toMatch(/^\.\/secrets\//);
    }
    expect(readFileSync('.dockerignore', 'utf8').split('\n')).toContain('secrets');
    expect(readFileSync('.gitignore', 'utf8').split('\n')).toContain('secrets/');
    for (const service of compose.at('services').items) {
      const names = service.at('environment').keys;
      expect(names.filter((name) => /PASSWORD|TOKEN|KEY|URL/.test(name) && !name.endsWith('_FILE'))).toEqual(
        [],
      );
      expect(names.filter((name) => [...SECRET_SETTINGS].some((secret) => secret === name))).toEqual([]);
    }
  });

  it('starts in order: certificates, a healthy database, migrations, pgkeep', () => {
    expect(postgres.at('depends_on', 'certificates', 'condition').value).toBe(
      'service_completed_successfully',
    );
    expect(postgres.at('healthcheck', 'test').value).toEqual(
      expect.arrayContaining(['CMD', 'pg_isready', '--host=127.0.0.1']),
    );
    const migrate = compose.at('services', 'migrate');
    expect(migrate.at('depends_on', 'postgres', 'condition').value).toBe('service_healthy');
    expect(pgkeep.at('depends_on', 'postgres', 'condition').value).toBe('service_healthy');
    expect(pgkeep.at('depends_on', 'migrate', 'condition').value).toBe('service_completed_successfully');
    const stage = migrate.at('build', 'target').text;
    expect(readFileSync('Dockerfile', 'utf8')).toMatch(new RegExp(`^FROM .* AS ${stage}$`, 'm'));
  });

  it('backs up every night into its own named volume, and tests a restore on another server', () => {
    const { backup, readiness, restore, database } = pgkeepSettings();
    expect(backup).toMatchObject({
      enabled: true,
      directory: '/backups',
      schedule: '0 2 * * *',
      restoreTestSchedule: '0 4 * * 0',
    });
    // Every check keeps its default gate.
    expect(readiness.gates).toEqual({});
    expect(pgkeep.at('volumes').value).toContain('backups:/backups');
    expect(compose.at('volumes').keys).toContain('backups');
    expect(readFileSync('Dockerfile', 'utf8')).toContain('install -d -o pgkeep -g pgkeep -m 700 /backups');
    expect(restore.testUrl).toMatchObject({
      sslMode: 'verify-full',
      hosts: [{ host: 'scratch', port: 5432 }],
    });
    expect(restore.testUrl?.hosts).not.toEqual(database.url.hosts);
    const scratch = compose.at('services', 'scratch');
    expect(scratch.at('volumes').value).toEqual([
      'scratch_data:/var/lib/postgresql/data',
      'postgres_tls:/tls:ro',
    ]);
    expect(compose.at('services', 'certificates', 'command', 0).text).toContain('DNS:scratch');
  });

  it('makes the first backup and its restore test once, with the settings and limits of the service', () => {
    const first = compose.at('services', 'first-backup');
    const shared = [
      'environment',
      'secrets',
      'volumes',
      'read_only',
      'tmpfs',
      'cap_drop',
      'security_opt',
      'deploy',
    ];
    for (const key of shared) expect(first.at(key).value).toEqual(pgkeep.at(key).value);
    expect(first.at('ports').value).toEqual([]);
    expect(first.at('restart').value).toBe('no');
    expect(first.at('depends_on', 'pgkeep', 'condition').value).toBe('service_healthy');
    expect(first.at('depends_on', 'scratch', 'condition').value).toBe('service_healthy');
    expect(first.at('command', 2).text).toMatch(
      /^if ls \/backups\/\*\.restore-test\.json .*; then exit 0; fi\npgkeep backup\npgkeep restore test\n$/,
    );
  });

  it('allows pgkeep to write only its backups, without privileges, with limited memory and time to report "not ready"', () => {
    expect(pgkeep.value).toMatchObject({
      read_only: true,
      tmpfs: ['/tmp'],
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
      deploy: { resources: { limits: { memory: '512M' } } },
    });
    const writable = pgkeep.at('volumes').items.filter(({ text: volume }) => !volume.endsWith(':ro'));
    expect(writable.map(({ text: volume }) => volume)).toEqual(['backups:/backups']);
    expect(pgkeep.at('user').value).toBeUndefined();
    expect(pgkeep.at('healthcheck').value).toBeUndefined();
    const { readiness } = pgkeepSettings();
    expect(Number.parseInt(pgkeep.at('stop_grace_period').text, 10) * 1000).toBeGreaterThan(
      readiness.refreshMs * 2,
    );
  });

  it('gives pgkeep valid settings: production, a verified database, the mounted migrations', () => {
    const settings = pgkeepSettings();
    expect(settings).toMatchObject({
      environment: 'production',
      database: { url: { sslMode: 'verify-full', database: 'clinic', user: 'clinic' } },
      migrationsDirectory: '/app/prisma/migrations',
      http: { port: 3000, adminToken: TOKEN },
    });
    const migrations = pgkeep.at('volumes').items.find((volume) => volume.text.includes('migrations'));
    const [source = '', target, mode] = migrations?.text.split(':') ?? [];
    expect(existsSync(source)).toBe(true);
    expect([target, mode]).toEqual([settings.migrationsDirectory, 'ro']);
    expect(pgkeep.at('volumes').value).toContain('postgres_authority:/authority:ro');
    expect(recipe('database_url')).toContain('sslrootcert=/authority/root.crt');
  });

  it('samples the database, and has Prometheus and Grafana in a profile, with the rules and the dashboard', () => {
    const settings = pgkeepSettings();
    expect(settings.metrics).toMatchObject({ token: METRICS_TOKEN, isPublic: false });
    expect(settings.monitoring.enabled).toBe(true);
    const [prometheus, grafana] = ['prometheus', 'grafana'].map((name) => compose.at('services', name));
    for (const service of [prometheus, grafana]) {
      expect(service?.at('profiles').value).toEqual(['metrics']);
      expect(service?.at('cap_drop').value).toEqual(['ALL']);
      // On this machine only.
      for (const port of service?.at('ports').items ?? []) expect(port.text).toMatch(/^127\.0\.0\.1:/);
      for (const { text: volume } of service?.at('volumes').items ?? []) {
        const [source = ''] = volume.split(':');
        const exists = source.startsWith('./')
          ? existsSync(source)
          : compose.at('volumes').keys.includes(source);
        expect([volume, exists]).toEqual([volume, true]);
      }
    }
    const configuration = readYaml('deploy/prometheus/prometheus.yml')[0] ?? new Node(undefined);
    const [rules = ''] = configuration.at('rule_files').items.map(({ text: file }) => file);
    expect(prometheus?.at('volumes').value).toContain('./deploy/prometheus:/etc/prometheus:ro');
    expect(existsSync(rules.replace('/etc/prometheus', 'deploy/prometheus'))).toBe(true);
    const [job = new Node(undefined)] = configuration.at('scrape_configs').items;
    expect(job.at('authorization', 'credentials_file').text).toBe('/run/secrets/metrics_token');
    expect(prometheus?.at('secrets').value).toEqual(['metrics_token']);
    expect(job.at('static_configs', 0, 'targets').value).toEqual([`pgkeep:${settings.http.port}`]);
  });

  /** The URL that the comment writes to a secret's file, with a password in it. */
  function recipe(secret: string): string {
    const command = new RegExp(`echo "(postgresql:[^"]*)" > secrets/${secret}$`, 'm');
    const url = command.exec(comments.join('\n'))?.[1] ?? '';
    return url.replace('$password', 'a'.repeat(64));
  }

  function pgkeepSettings(): ReturnType<typeof settingsOf> {
    const environment = environmentOf(pgkeep);
    const all = {
      database_url: recipe('database_url'),
      test_database_url: recipe('test_database_url'),
      admin_api_token: TOKEN,
      metrics_token: METRICS_TOKEN,
    };
    const granted = Object.entries(all).filter(([name]) =>
      pgkeep.at('secrets').items.some((secret) => secret.text === name),
    );
    return settingsOf(environment, '/run/secrets', Object.fromEntries(granted));
  }
});
