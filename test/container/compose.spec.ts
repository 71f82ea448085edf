import { existsSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { SECRET_SETTINGS } from '../../src/config/settings-list.js';
import { Node, readYaml } from './deployment-file.js';
import { settingsOf } from './settings-of.js';

const TOKEN = 'f'.repeat(64);

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

  it('keeps the database in a named volume, and says why `down -v` is forbidden', () => {
    expect(postgres.at('image').text).toBe('postgres:17');
    expect(postgres.at('volumes').value).toContain('postgres_data:/var/lib/postgresql/data');
    expect(compose.at('volumes').keys).toContain('postgres_data');
    expect(comments.join('\n')).toMatch(/NEVER `docker compose down -v`[\s\S]*-v deletes it/);
    // Nothing in the file tells anybody to do it.
    const commands = text.split('\n').filter((line) => !/NEVER|Never -v|without/.test(line));
    expect(commands.filter((line) => /\bdown\b.*\s(-v|--volumes)\b/.test(line))).toEqual([]);
  });

  it('encrypts: TLS is on, and whoever comes over the network must use it', () => {
    expect(postgres.at('command').value).toEqual(
      expect.arrayContaining(['ssl=on', 'ssl_cert_file=/tls/server.crt', 'hba_file=/tls/pg_hba.conf']),
    );
    const script = compose.at('services', 'certificates', 'command', 0).text;
    const rules = /printf '([^']*)' > pg_hba\.conf/
      .exec(script)?.[1]
      ?.split(String.raw`\n`)
      .filter(Boolean);
    expect(rules).toEqual(['local all all trust', 'hostssl all all all scram-sha-256']);
    // The authority's key stays where it was made; the server's is PostgreSQL's alone.
    expect(script).not.toMatch(/install .*root\.key/);
    expect(script).toMatch(/install -o postgres -g postgres -m 600 .*server\.key/);
    expect(pgkeep.at('volumes').items.filter((volume) => volume.text.startsWith('postgres_tls'))).toEqual([]);
  });

  it('has every secret in a file below secrets/, which no build sees and git does not keep', () => {
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

  it('gives pgkeep nothing to write to, no privileges, and time to say "not ready"', () => {
    expect(pgkeep.value).toMatchObject({
      read_only: true,
      tmpfs: ['/tmp'],
      cap_drop: ['ALL'],
      security_opt: ['no-new-privileges:true'],
    });
    expect(pgkeep.at('user').value).toBeUndefined();
    expect(pgkeep.at('healthcheck').value).toBeUndefined();
    const { readiness } = pgkeepSettings();
    expect(Number.parseInt(pgkeep.at('stop_grace_period').text, 10) * 1000).toBeGreaterThan(
      readiness.refreshMs * 2,
    );
  });

  it('gives pgkeep settings that it takes: production, a verified database, the mounted migrations', () => {
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
    expect(recipe()).toContain('sslrootcert=/authority/root.crt');
  });

  /** The URL that the comment tells to write, with a password in it. */
  function recipe(): string {
    const url = /echo "(postgresql:[^"]*)" > secrets\/database_url/.exec(comments.join('\n'))?.[1] ?? '';
    return url.replace('$password', 'a'.repeat(64));
  }

  function pgkeepSettings(): ReturnType<typeof settingsOf> {
    const environment = Object.fromEntries(
      pgkeep.at('environment').keys.map((name) => [name, pgkeep.at('environment', name).text]),
    );
    const all = { database_url: recipe(), admin_api_token: TOKEN };
    const granted = Object.entries(all).filter(([name]) =>
      pgkeep.at('secrets').items.some((secret) => secret.text === name),
    );
    return settingsOf(environment, '/run/secrets', Object.fromEntries(granted));
  }
});
