import { describe, expect, it } from '@jest/globals';
import { database } from '../../../src/readiness/checks/database.js';
import { contextOf, SERVER } from '../../support/checks.js';

describe('database', () => {
  it.each([
    [{ inRecovery: true, readOnly: true }, 'DATABASE_IN_RECOVERY'],
    [{ readOnly: true }, 'DATABASE_READ_ONLY'],
  ])('refuses %j', (server, code) => {
    expect(database.judge(contextOf({ server: { value: { ...SERVER, ...server } } }))).toMatchObject({
      ok: false,
      code,
    });
  });
});
