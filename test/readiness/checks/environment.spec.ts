import { describe, expect, it } from '@jest/globals';
import type { EnvironmentFacts, Stamp } from '../../../src/environment/environment.types.js';
import { environment } from '../../../src/readiness/checks/environment.js';
import { contextOf, NOW } from '../../support/checks.js';

describe('environment', () => {
  const identity = { systemIdentifier: '7', databaseOid: '5' };
  const stamp: Stamp = { ...identity, environment: 'production', stampedAt: NOW, stampedBy: 'owner' };
  function check(facts: Partial<EnvironmentFacts>): unknown {
    const complete = {
      identity,
      stamp: { kind: 'stamped', stamp },
      otherIdentity: undefined,
      ...facts,
    } as const;
    return environment.judge(contextOf({ environment: { value: complete } }));
  }

  it('accepts its own stamp', () => {
    expect(check({})).toEqual({ ok: true, details: 'production' });
  });

  it('refuses another environment’s database, and names both solutions', () => {
    expect(check({ stamp: { kind: 'stamped', stamp: { ...stamp, environment: 'staging' } } })).toEqual({
      ok: false,
      code: 'ENVIRONMENT_MISMATCH',
      details:
        'The database is stamped staging, but this service runs as production: point DATABASE_URL at the production database, or set NODE_ENV=staging',
    });
  });

  it('refuses one database for two environments', () => {
    expect(check({ otherIdentity: { ...identity } })).toMatchObject({
      ok: false,
      code: 'ENVIRONMENT_SHARED',
    });
    expect(check({ otherIdentity: { ...identity, databaseOid: '6' } })).toMatchObject({ ok: true });
  });

  it('reports a copy and a missing stamp', () => {
    expect(check({ identity: { ...identity, databaseOid: '6' } })).toEqual({
      ok: true,
      details:
        'production; the stamp was written in another database, so this one is a copy: run `pgkeep stamp production` once you know what the copy is for',
    });
    expect(check({ stamp: { kind: 'unstamped' } })).toEqual({
      ok: true,
      details: 'production; not stamped: run `pgkeep stamp production`',
    });
  });

  it('fails closed when the stamp cannot be read', () => {
    expect(check({ stamp: { kind: 'unreadable', role: 'app' } })).toEqual({
      ok: false,
      code: 'ENVIRONMENT_UNREADABLE',
      details:
        'Role "app" may not read pgkeep.database_environment, so the database\'s environment is unknown: GRANT USAGE ON SCHEMA pgkeep TO "app"; GRANT SELECT ON pgkeep.database_environment TO "app"',
    });
  });
});
