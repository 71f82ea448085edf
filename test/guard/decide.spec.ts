import { describe, expect, it } from '@jest/globals';
import type { EnvironmentName } from '../../src/config/settings.js';
import type { DatabaseIdentity, StampReading } from '../../src/environment/environment.types.js';
import { decide } from '../../src/guard/prisma/decide.js';
import type { Facts, SqlReading, Target, Verdict } from '../../src/guard/prisma/guard.types.js';
import { parsePrismaCommand } from '../../src/guard/prisma/prisma-command.js';

const IDENTITY: DatabaseIdentity = { systemIdentifier: '7000', databaseOid: '16384' };

function stamped(environment: EnvironmentName, identity: DatabaseIdentity = IDENTITY): StampReading {
  const stamp = { environment, stampedAt: new Date('2026-11-01T10:00:00Z'), stampedBy: 'owner', ...identity };
  return { kind: 'stamped', stamp };
}

function target(stamp: Target['stamp'], more: Partial<Target> = {}): Target {
  return {
    use: 'datasource',
    database: 'clinic',
    where: 'db.example:5432',
    stamp,
    identity: IDENTITY,
    productionBy: undefined,
    ...more,
  };
}

function verdictOf(line: string, about: Target, more: Partial<Facts> = {}): Verdict {
  const command = parsePrismaCommand(line === '' ? [] : line.split(' '));
  const sql: SqlReading | undefined =
    command.effect === 'execute'
      ? { kind: 'unread', why: 'a script from stdin cannot be checked in advance' }
      : undefined;
  return decide({
    command,
    environment: 'development',
    dbPushAllowed: false,
    targets: [about],
    ...(sql && { sql }),
    ...more,
  });
}

function reasonOf(verdict: Verdict): string {
  return verdict.verdict === 'refuse' ? `${verdict.reason}\n${verdict.remedy}` : 'allowed';
}

const PRODUCTION = target(stamped('production'));

/** Commands that are refused on a database that is stamped production. */
const REFUSED: readonly (readonly [line: string, name: string])[] = [
  ['db push', 'db push'],
  ['db push --accept-data-loss', 'db push'],
  ['db push --force-reset', 'db push'],
  ['db push --force-reset --accept-data-loss', 'db push'],
  ['db push --accept-data-loss --force-reset --schema prisma/schema.prisma', 'db push'],
  ['db push --skip-generate', 'db push'],
  ['db push --schema prisma', 'db push'],
  ['db push --schema=prisma/schema.prisma', 'db push'],
  ['db push --schema ./prisma', 'db push'],
  ['db push --config other.config.ts', 'db push'],
  ['db push --config=other.config.ts', 'db push'],
  ['db push --url postgresql://a@b/c', 'db push'],
  ['db push --url=postgresql://a@b/c', 'db push'],
  ['db push --telemetry-information x', 'db push'],
  ['db --config x.ts push', 'db push'],
  ['db --schema push push', 'db push'],
  ['db --preview-feature push', 'db push'],
  ['--config x.ts db push', 'db push'],
  ['--config=x.ts db push', 'db push'],
  ['--config x.ts db --config y.ts push --config z.ts', 'db push'],
  ['--preview-feature db push', 'db push'],
  ['--experimental db push', 'db push'],
  ['--early-access db push', 'db push'],
  ['--json db push', 'db push'],
  ['--telemetry-information x db push', 'db push'],
  ['--telemetry-information=x db push', 'db push'],
  ['-- db push', 'db push'],
  ['db -- push', 'db push'],
  ['-- db -- push', 'db push'],
  ['db push --', 'db push'],
  ['db push -- --help', 'db push'],
  ['db push extra --help', 'db push'],
  ['db push extra -h', 'db push'],
  ['db push - --help', 'db push'],
  ['db push --schema --help', 'db push'],
  ['db push --url -h', 'db push'],
  ['npx prisma db push', 'db push'],
  ['npx -y prisma@7 db push', 'db push'],
  ['npx --yes prisma@7.10.0 db push', 'db push'],
  ['npx --yes prisma@latest db push --force-reset', 'db push'],
  ['npx -p prisma@7 prisma db push', 'db push'],
  ['npx prisma@next --config x.ts db push', 'db push'],
  ['npx.cmd prisma db push', 'db push'],
  ['pnpm prisma db push', 'db push'],
  ['pnpm exec prisma db push', 'db push'],
  ['pnpm dlx prisma@7 db push', 'db push'],
  ['pnpx prisma db push', 'db push'],
  ['yarn prisma db push', 'db push'],
  ['yarn dlx prisma@7 db push', 'db push'],
  ['yarn run prisma db push', 'db push'],
  ['bunx prisma db push', 'db push'],
  ['bunx --bun prisma db push', 'db push'],
  ['bun x prisma db push', 'db push'],
  ['deno run -A npm:prisma db push', 'db push'],
  ['deno run -A npm:prisma@7 db push', 'db push'],
  ['npm exec prisma db push', 'db push'],
  ['npm exec -- prisma db push', 'db push'],
  ['prisma db push', 'db push'],
  ['prisma.cmd db push', 'db push'],
  ['./node_modules/.bin/prisma db push', 'db push'],
  ['/app/node_modules/.bin/prisma db push', 'db push'],
  ['node_modules\\.bin\\prisma.cmd db push', 'db push'],
  ['node node_modules/prisma/build/index.js db push', 'db push'],
  ['node --max-old-space-size=512 node_modules/prisma/build/index.js db push', 'db push'],
  ['/usr/bin/node /app/node_modules/prisma/build/index.js db push', 'db push'],
  ['node /app/node_modules/.pnpm/prisma@7.10.0/node_modules/prisma/build/index.js db push', 'db push'],
  ['node_modules/prisma/build/index.js db push', 'db push'],
  ['NODE_ENV=development prisma db push', 'db push'],
  ['PRISMA_DB_PUSH_ALLOWED=true npx prisma db push', 'db push'],
  ['DATABASE_URL=postgresql://x npx prisma db push', 'db push'],
  ['env NODE_ENV=test npx prisma db push', 'db push'],
  ['cross-env NODE_ENV=test prisma db push', 'db push'],
  ['dotenv -e .env.production -- prisma db push', 'db push'],
  ['dotenvx run -- prisma db push', 'db push'],
  ['sudo npx prisma db push', 'db push'],
  ['migrate reset', 'migrate reset'],
  ['migrate reset --force', 'migrate reset'],
  ['migrate reset -f', 'migrate reset'],
  ['migrate reset --force --skip-seed', 'migrate reset'],
  ['migrate reset --skip-generate --force', 'migrate reset'],
  ['migrate --config x.ts reset --force', 'migrate reset'],
  ['migrate --schema x reset --force', 'migrate reset'],
  ['--config x.ts migrate reset --force', 'migrate reset'],
  ['migrate reset -hf', 'migrate reset'],
  ['migrate reset x --help', 'migrate reset'],
  ['npx -y prisma@7 migrate reset --force', 'migrate reset'],
  ['npx prisma migrate reset --force --schema=./prisma/schema.prisma', 'migrate reset'],
  ['migrate dev', 'migrate dev'],
  ['migrate dev --name init', 'migrate dev'],
  ['migrate dev -n init', 'migrate dev'],
  ['migrate dev -n --help', 'migrate dev'],
  ['migrate dev --name=init', 'migrate dev'],
  ['migrate dev --create-only', 'migrate dev'],
  ['migrate dev --create-only --name init', 'migrate dev'],
  ['migrate dev --skip-seed', 'migrate dev'],
  ['migrate dev --url=postgresql://a@b/c', 'migrate dev'],
  ['npx prisma migrate dev --name init', 'migrate dev'],
  ['db seed', 'db seed'],
  ['db seed -- --environment production', 'db seed'],
  ['db --config x.ts seed', 'db seed'],
  ['npx prisma db seed', 'db seed'],
  ['studio', 'studio'],
  ['studio --port 5555', 'studio'],
  ['studio -p 5555 -b none', 'studio'],
  ['studio --hostname 0.0.0.0', 'studio'],
  ['studio --browser none --url postgresql://a@b/c', 'studio'],
  ['db execute --stdin', 'db execute'],
  ['db execute --file x.sql', 'db execute'],
  ['db execute --file=x.sql', 'db execute'],
  ['db execute', 'db execute'],
  ['db drop', 'db drop'],
  ['db drop --force', 'db drop'],
  ['migrate undo', 'migrate undo'],
  ['migrate squash', 'migrate squash'],
  ['wipe', 'wipe'],
  ['postgres link', 'postgres link'],
  ['bootstrap', 'bootstrap'],
  ['toString', 'toString'],
  ['constructor prototype', 'constructor'],
  ['db __proto__', 'db __proto__'],
];

/** Commands that run on production: they read, deploy, do not connect, or only print help. */
const ALLOWED = [
  '',
  '--help',
  '-h',
  '--version',
  '-v',
  'version',
  '--version db push',
  '--help db push',
  'db --help push',
  'db push --help',
  'db push -h',
  'db push --force-reset --help',
  'migrate reset --help --force',
  'migrate',
  'db',
  'generate',
  'generate --sql',
  'generate --watch',
  'generate --schema prisma',
  'validate',
  'format',
  'format --check',
  'init',
  'debug',
  'platform auth login',
  'dev',
  'mcp',
  'complete zsh',
  'migrate status',
  'migrate status --schema prisma',
  'migrate deploy',
  'migrate deploy --schema prisma',
  '--config x.ts migrate deploy',
  'npx prisma migrate deploy',
  'npx -y prisma@7 migrate status',
  'migrate resolve --applied 20260101000000_init',
  'migrate resolve --rolled-back 20260101000000_init',
  'migrate diff --from-empty --to-schema prisma/schema.prisma --script',
  'migrate diff --from-config-datasource --to-schema prisma/schema.prisma --exit-code',
  'db pull',
  'db pull --print',
  'db pull --force',
];

describe('on a database that is stamped production', () => {
  it.each(REFUSED)('refuses `%s` as `%s`', (line, name) => {
    expect(parsePrismaCommand(line.split(' ')).name).toBe(name);
    for (const dbPushAllowed of [true, false]) {
      for (const environment of ['development', 'test', 'staging'] as const) {
        expect(
          reasonOf(verdictOf(line, PRODUCTION, { environment, dbPushAllowed })).split('. Nothing')[0],
        ).toMatch(
          `Refused to run \`prisma ${name}\`: database "clinic" (db.example:5432) is stamped production (NODE_ENV is ${environment})`,
        );
      }
    }
  });

  it('refuses a command line that it cannot parse', () => {
    expect(reasonOf(verdictOf('npx tsx wipe.ts', PRODUCTION))).toBe(
      'Refused to run `prisma npx`: database "clinic" (db.example:5432) is stamped production (NODE_ENV is development), and pgkeep does not know what this command does. Nothing was touched.\n' +
        'Run it on a development database, and bring its changes here with a migration: `pgkeep migrate deploy`.',
    );
  });

  it.each(ALLOWED)('allows `%s`', (line) => {
    expect(verdictOf(line, PRODUCTION)).toEqual({ verdict: 'allow' });
    expect(verdictOf(line, PRODUCTION, { environment: 'production' })).toEqual({ verdict: 'allow' });
  });

  it('allows SQL that removes nothing', () => {
    expect(verdictOf('db execute --file x.sql', PRODUCTION, { sql: { kind: 'harmless' } }).verdict).toBe(
      'allow',
    );
  });
});

describe('on other databases', () => {
  const notAsked = (isOutOfReach: boolean) =>
    ({ kind: 'not-read', cause: 'connection timeout', isOutOfReach }) as const;
  const COPY = { systemIdentifier: '7001', databaseOid: '16384' };
  const at = 'database "clinic" (db.example:5432)';
  const RESET =
    'Production is never reset. To go back to an earlier state, restore a backup: `pgkeep restore --list`.';

  it.each<[string, Partial<Facts>, Target, string]>([
    [
      'a stamp that cannot be read, and production’s URL',
      {},
      target(notAsked(true), { productionBy: '.env.production', identity: undefined }),
      `${at} is production according to .env.production; its stamp cannot be read: connection timeout. Nothing was touched.\n${RESET}`,
    ],
    [
      'a stamp that cannot be read, as production',
      { environment: 'production' },
      target(notAsked(true), { identity: undefined }),
      `${at} is production according to NODE_ENV; its stamp cannot be read: connection timeout. Nothing was touched.\n${RESET}`,
    ],
    [
      'a stamp that cannot be read although Prisma may get in',
      {},
      target(notAsked(false), { identity: undefined }),
      `${at} may be production: its stamp cannot be read: connection timeout. Nothing was touched.\nMake sure that \`npx pgkeep ping\` reaches the database by this URL, then try again.`,
    ],
    [
      'a stamp that the role may not read',
      {},
      target({ kind: 'unreadable', role: 'app' }),
      `${at} may be production: role "app" cannot read its stamp. Nothing was touched.\nGrant the role access: GRANT USAGE ON SCHEMA pgkeep TO "app"; GRANT SELECT ON pgkeep.database_environment TO "app";`,
    ],
    [
      'no stamp, and the same database as production’s',
      {},
      target({ kind: 'unstamped' }, { productionBy: 'DATABASE_URL_PROD' }),
      `${at} is production according to DATABASE_URL_PROD. Nothing was touched.\n${RESET}`,
    ],
    [
      'development’s stamp on production’s database',
      {},
      target(stamped('development'), { productionBy: 'DATABASE_URL_PROD' }),
      `${at} is production according to DATABASE_URL_PROD. Nothing was touched.\n${RESET}`,
    ],
    [
      'no pgkeep, as production',
      { environment: 'production' },
      target({ kind: 'not-installed' }),
      `${at} is production according to NODE_ENV. Nothing was touched.\n${RESET}`,
    ],
    [
      'a copy of production',
      {},
      target(stamped('production', COPY)),
      `${at} is a copy: it carries the stamp of the production database that it was copied from. Nothing was touched.\nIf you may change this copy, stamp it for what it is used for: \`pgkeep stamp development --replace --target clinic\`. Then try again.`,
    ],
    [
      'a copy of production, as production',
      { environment: 'production' },
      target(stamped('production', COPY)),
      `${at} is a copy: it carries the stamp of the production database that it was copied from. Nothing was touched.\nIf you may change this copy, stamp it for what it is used for: \`pgkeep stamp staging --replace --target clinic\`. Then try again.`,
    ],
    [
      'staging, from development',
      {},
      target(stamped('staging')),
      `${at} is stamped staging, and NODE_ENV is development. Nothing was touched.\nUse a separate database for development. If staging is intended, set NODE_ENV=staging.`,
    ],
    [
      'development, from a test suite',
      { environment: 'test' },
      target(stamped('development')),
      `${at} is stamped development, and NODE_ENV is test. Nothing was touched.\nUse a separate database for test. If development is intended, set NODE_ENV=development.`,
    ],
  ])('refuses a reset: %s', (_, facts, about, reported) => {
    expect(reasonOf(verdictOf('migrate reset --force', about, facts))).toBe(
      `Refused to run \`prisma migrate reset\`: ${reported}`,
    );
  });

  it.each<[string, Partial<Facts>, Target]>([
    ['nothing there that could be harmed', {}, target(notAsked(true), { identity: undefined })],
    ['no stamp', {}, target({ kind: 'unstamped' })],
    ['no pgkeep', {}, target({ kind: 'not-installed' })],
    ['development', {}, target(stamped('development'))],
    ['test', {}, target(stamped('test'))],
    ['test, from a test suite', { environment: 'test' }, target(stamped('test'))],
    ['staging, as staging', { environment: 'staging' }, target(stamped('staging'))],
  ])('allows a reset: %s', (_, facts, about) => {
    expect(verdictOf('migrate reset --force', about, facts)).toEqual({ verdict: 'allow' });
  });

  it('allows `db push` on staging by PRISMA_DB_PUSH_ALLOWED alone', () => {
    const about = target(stamped('staging'));
    expect(reasonOf(verdictOf('db push', about, { environment: 'staging' }))).toBe(
      `Refused to run \`prisma db push\`: ${at} is stamped staging, and PRISMA_DB_PUSH_ALLOWED is not true. Nothing was touched.\nMake the change with a migration, as in production: \`pgkeep migrate deploy\`.`,
    );
    expect(verdictOf('db push', about, { environment: 'staging', dbPushAllowed: true }).verdict).toBe(
      'allow',
    );
    expect(verdictOf('db push', about, { environment: 'development', dbPushAllowed: true }).verdict).toBe(
      'refuse',
    );
  });

  it.each(['migrate deploy', 'migrate resolve --applied x', 'db execute --file x.sql'])(
    'refuses the `%s` of a test suite on staging and production',
    (line) => {
      const sql: SqlReading = { kind: 'harmless' };
      for (const about of [
        target(stamped('staging')),
        PRODUCTION,
        target({ kind: 'unstamped' }, { productionBy: 'DATABASE_URL_PROD' }),
      ]) {
        expect(reasonOf(verdictOf(line, about, { environment: 'test', sql }))).toMatch(
          /, and NODE_ENV is test\. .*\nUse a separate database for the test suite/,
        );
        expect(verdictOf(line, about, { environment: 'development', sql }).verdict).toBe('allow');
      }
      expect(verdictOf(line, target(stamped('test')), { environment: 'test', sql }).verdict).toBe('allow');
    },
  );

  it('refuses a shadow database that is in use as another database', () => {
    const shadow = (more: Partial<Target>, stamp: Target['stamp'] = { kind: 'not-installed' }) =>
      target(stamp, { use: 'shadow', database: 'shadow', ...more });
    const main = target(stamped('development'));
    const reported = (about: Target, line = 'migrate dev') =>
      reasonOf(verdictOf(line, main, { targets: [main, about] }));
    expect(reported(shadow({}))).toContain('is the datasource itself');
    expect(reported(shadow({ identity: COPY }))).toBe('allowed');
    expect(reported(shadow({ identity: COPY }, stamped('test')))).toContain('is stamped test');
    expect(reported(shadow({ identity: COPY, productionBy: '.env.production' }))).toContain(
      'according to .env.production',
    );
    expect(
      reported(
        shadow({ identity: COPY }, stamped('production')),
        'migrate diff --from-migrations x --to-empty',
      ),
    ).toContain('would be emptied as the shadow database, and is stamped production');
  });

  it('refuses an unknown command on production only', () => {
    expect(verdictOf('wipe', target(stamped('development'))).verdict).toBe('allow');
    expect(
      verdictOf('wipe', target({ kind: 'unstamped' }, { productionBy: 'DATABASE_URL_PROD' })).verdict,
    ).toBe('refuse');
  });
});

describe('a command line', () => {
  it.each([
    ['db push --url postgresql://a@b/c', 'postgresql://a@b/c'],
    ['db push --url=postgresql://a@b/c?x=y', 'postgresql://a@b/c?x=y'],
    ['db push --url first --url second', 'second'],
    ['-- db push --url postgresql://a@b/c', 'postgresql://a@b/c'],
    ['db push', undefined],
    ['db push extra --url postgresql://a@b/c', undefined],
    ['db push -- --url postgresql://a@b/c', undefined],
  ])('`%s` means the database %s', (line, url) => {
    expect(parsePrismaCommand(line.split(' ')).url).toBe(url);
  });

  it('takes --url into account only for commands of Prisma that support it', () => {
    const wins = (line: string) => parsePrismaCommand(line.split(' ')).urlWins;
    expect(['db push', 'migrate dev', 'studio', 'db pull'].map(wins)).toEqual([true, true, true, true]);
    expect(['db seed', 'migrate reset', 'db execute', 'wipe'].map(wins)).toEqual([
      false,
      false,
      false,
      false,
    ]);
  });

  it('shows which script is run, and whether the shadow database is used', () => {
    expect(parsePrismaCommand('db execute --file a.sql'.split(' ')).file).toBe('a.sql');
    expect(parsePrismaCommand('migrate dev'.split(' ')).usesShadow).toBe(true);
    expect(parsePrismaCommand('migrate diff --from-migrations a --to-empty'.split(' ')).usesShadow).toBe(
      true,
    );
    expect(parsePrismaCommand('migrate diff --from-empty --to-schema a'.split(' ')).usesShadow).toBe(false);
  });
});
