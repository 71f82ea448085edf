import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { escapeIdentifier } from 'pg';
import { InstallService, StartupInstall } from '../../src/install/install.service.js';
import type { DatabaseStats } from '../../src/stats/stats.types.js';
import { query } from '../support/clinic.js';
import { evaluate, withApp } from '../support/evaluate.js';
import { changedUrl, createGuarded, type GuardedDatabase } from '../support/guarded-database.js';
import { runCli } from '../support/pgkeep-process.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { withService } from '../support/watched-service.js';

const ADMIN_TOKEN = 'privileges-token';
/** Messages must print grants that can be pasted, whatever the role is called. */
const ROLE = `o"brien's`;
const QUOTED = escapeIdentifier(ROLE);

describe('the least role: CONNECT, and SELECT on _prisma_migrations', () => {
  let own: ThrowAwayCluster;
  let guarded: GuardedDatabase;
  let name: string;
  let count = 0;
  beforeAll(async () => {
    own = await startThrowAwayCluster();
    await query(own.cluster.url('postgres'), `CREATE ROLE ${QUOTED} LOGIN PASSWORD 'hush-least'`);
  });
  afterAll(async () => {
    await own.cluster.destroy();
  });
  beforeEach(async () => {
    count += 1;
    name = `guarded_${count}`;
    guarded = await createGuarded(own, name);
    await query(
      guarded.url,
      `REVOKE ALL ON DATABASE ${name} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC`,
    );
  });

  const asOwner = async (sql: string) => await query(guarded.url, sql);
  const settings = (url = least()) => ({
    DATABASE_URL: url,
    MIGRATIONS_DIR: guarded.migrationsDirectory,
    ADMIN_API_TOKEN: ADMIN_TOKEN,
  });
  const least = () => {
    const url = changedUrl(guarded.url, { username: encodeURIComponent(ROLE) });
    return changedUrl(url, { password: 'hush-least' });
  };
  const install = async () =>
    await withApp(settings(guarded.url), (app) => app.get(InstallService).install());

  it('is ready once it has the grants that the messages name', async () => {
    const { checks } = await evaluate(settings());
    expect(checks.database).toEqual({
      ok: false,
      code: 'CHECK_FAILED',
      hint: 'docs/checks.md#check_failed',
      gate: 'enforce',
      details: `No usable database connection: permission denied for database "${name}"; DETAIL: User does not have CONNECT privilege. Give the role the grant: CONNECT on the database.`,
    });
    await asOwner(`GRANT CONNECT ON DATABASE ${name} TO ${QUOTED}`);

    const connected = await evaluate(settings());
    const grants = `GRANT USAGE ON SCHEMA "public" TO ${QUOTED}; GRANT SELECT ON "public"._prisma_migrations TO ${QUOTED};`;
    expect(connected.checks.migrations).toEqual({
      ok: false,
      code: 'MIGRATIONS_PERMISSION_DENIED',
      hint: 'docs/checks.md#migrations_permission_denied',
      gate: 'enforce',
      details: `Role ${QUOTED} may not read public._prisma_migrations. Give it the grant: ${grants}`,
    });
    await asOwner(grants);
    expect(await evaluate(settings())).toMatchObject({
      status: 'ready',
      checks: {
        environment: {
          ok: true,
          details: 'test; not stamped: run `pgkeep install`, then `pgkeep stamp test`',
        },
        migrations: { ok: true, details: '1/1 migrations applied' },
      },
    });

    await install();
    expect(await evaluate(settings())).toMatchObject({
      status: 'ready',
      checks: { environment: { ok: true, details: 'test; not stamped: run `pgkeep stamp test`' } },
    });
  });

  it('may not install: reported once, and the service continues', async () => {
    await asOwner(
      `GRANT CONNECT ON DATABASE ${name} TO ${QUOTED}; GRANT USAGE ON SCHEMA public TO ${QUOTED};
       GRANT SELECT ON _prisma_migrations TO ${QUOTED}`,
    );
    await withService(settings(), async (service) => {
      const grant = `GRANT CREATE ON DATABASE "${name}" TO ${QUOTED};`;
      expect(await service.app.get(StartupInstall).run()).toBe(false);
      expect(service.transcript.text).toContain(
        `Cannot install schema pgkeep: role "${ROLE}" cannot create it in database "${name}". Run \`pgkeep install\` as the owner of the database, or grant: ${grant}`,
      );
      await service.untilVerdict('ready');
      const stats = await service.get<DatabaseStats>('/admin/database/stats?rows=exact', {
        authorization: `Bearer ${ADMIN_TOKEN}`,
      });
      expect([stats.status, stats.body.tableCount]).toEqual([200, 2]);
      await asOwner(grant);
      expect(await service.app.get(StartupInstall).run()).toBe(true);
      expect((await service.verdict()).status).toBe('ready');
    });
  });

  it('may not stamp; if it cannot read the stamp, the grants are printed', async () => {
    await asOwner(
      `GRANT CONNECT ON DATABASE ${name} TO ${QUOTED}; GRANT USAGE ON SCHEMA public TO ${QUOTED};
       GRANT SELECT ON _prisma_migrations TO ${QUOTED}`,
    );
    await install();
    const refused = await runCli(['stamp', 'production'], settings());
    expect(refused).toEqual({
      code: 1,
      stdout: '',
      stderr: `Cannot stamp the database: role "${ROLE}" lacks rights on pgkeep.database_environment. Nothing was changed.\nRun \`pgkeep stamp\` as the owner of the database.\n`,
    });
    await asOwner(
      'REVOKE ALL ON SCHEMA pgkeep FROM PUBLIC; REVOKE ALL ON pgkeep.database_environment FROM PUBLIC',
    );
    const grants = `GRANT USAGE ON SCHEMA pgkeep TO ${QUOTED}; GRANT SELECT ON pgkeep.database_environment TO ${QUOTED}`;
    const hidden = await evaluate(settings());
    expect(hidden.checks.environment).toEqual({
      ok: false,
      code: 'ENVIRONMENT_UNREADABLE',
      hint: 'docs/checks.md#environment_unreadable',
      gate: 'enforce',
      details: `Role ${QUOTED} may not read pgkeep.database_environment, so the database's environment is unknown: ${grants}`,
    });
    await asOwner(grants);
    expect((await evaluate(settings())).status).toBe('ready');
  });
});
