import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createClinic, verified } from '../support/clinic.js';
import { evaluate } from '../support/evaluate.js';
import { PRODUCTION } from '../support/production.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

let own: ThrowAwayCluster;

beforeAll(async () => {
  own = await startThrowAwayCluster({ settings: { log_statement: 'all' } });
});
afterAll(() => own.cluster.destroy());

it.each([
  ['production', 1],
  ['staging', 0],
])('in %s, an evaluation reads the switch of the DDL guard %i times', async (environment, times) => {
  const url = verified(own, await createClinic(own, environment));
  const before = readFileSync(own.cluster.logFile, 'utf8').length;
  const { checks } = await evaluate({
    ...PRODUCTION,
    NODE_ENV: environment,
    READINESS_REFRESH_MS: '5000',
    READINESS_TIMEOUT_MS: '2000',
    DATABASE_URL: url,
  });
  const log = readFileSync(own.cluster.logFile, 'utf8').slice(before);
  expect(checks.database?.ok).toBe(true);
  expect(log.match(/FROM pg_catalog\.pg_event_trigger/g) ?? []).toHaveLength(times);
});
