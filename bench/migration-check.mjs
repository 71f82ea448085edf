// The migration check in a new process, like a freshly started service: prints how long each evaluation took,
// in ms, as JSON. Settings come from the environment, as the service's do.
import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { readSettings } from '../dist/config/read-settings.js';
import { DatabaseService } from '../dist/postgres/database.service.js';
import { MigrationsService } from '../dist/migrations/migrations.service.js';

const EVALUATIONS = 40;
const PAUSE_MS = 50;

const settings = readSettings(process.env);
const database = new DatabaseService(settings);
const migrations = new MigrationsService(settings, database);
const timeouts = { statementTimeoutMs: 10_000, lockTimeoutMs: 5000 };
/** @type {number[]} */
const durations = [];
let applied = 0;
for (let evaluation = 0; evaluation < EVALUATIONS; evaluation += 1) {
  await database.withPooled(database.primary, async (client) => {
    const startedAt = performance.now();
    const report = await migrations.report(client, timeouts);
    durations.push(performance.now() - startedAt);
    if ('fault' in report) throw new Error(report.fault.text);
    applied = report.status.applied.length;
  });
  await sleep(PAUSE_MS);
}
await database.onApplicationShutdown();
process.stdout.write(JSON.stringify({ durations, applied }));
