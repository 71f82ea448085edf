import { backup } from './backup.mjs';
import { backupBesideProbes } from './backup-beside-probes.mjs';
import { backupMemory } from './backup-memory.mjs';
import { cleanup } from './cleanup.mjs';
import { clientGuard } from './client-guard.mjs';
import { databaseStopped } from './database-stopped.mjs';
import { drift } from './drift.mjs';
import { lint } from './lint.mjs';
import { metrics } from './metrics.mjs';
import { guard } from './guard.mjs';
import { migrations } from './migrations.mjs';
import { policy } from './policy.mjs';
import { privacy } from './privacy.mjs';
import { queries } from './queries.mjs';
import { restoreTest } from './restore-test.mjs';
import { sampling } from './sampling.mjs';
import { start } from './start.mjs';
import { stats } from './stats.mjs';
import { steadyProbes } from './steady-probes.mjs';
import { throughput } from './throughput.mjs';

/**
 * Every measure, in the order of the table.
 *
 * @type {Readonly<Record<string, {title: string, measure: (
 *   scene: import('../lib/scene.mjs').Scene,
 *   context: {body: string},
 * ) => Promise<import('../lib/table.mjs').Row[]>}>>}
 */
export const MEASURES = {
  throughput: { title: '/ready under load, and memory after it', measure: throughput },
  steady: { title: '/ready under 1,000 probes a second', measure: steadyProbes },
  queries: { title: 'queries for a thousand probes', measure: queries },
  stopped: { title: '/ready and /live with PostgreSQL stopped', measure: databaseStopped },
  start: { title: 'start to first 200, and memory after it', measure: start },
  metrics: { title: 'a scrape of /metrics, and /ready beside it', measure: metrics },
  stats: { title: 'statistics of 10,000 tables', measure: stats },
  migrations: { title: 'migration check with 1,000 migrations', measure: migrations },
  'client-guard': { title: 'what the guarded client adds to Prisma’s', measure: clientGuard },
  guard: { title: 'what the guard adds to Prisma’s commands', measure: guard },
  backup: { title: 'backups of 1 GB', measure: backup },
  'backup-memory': { title: 'memory of a backup at 0.2 and 2 GB', measure: backupMemory },
  'restore-test': { title: 'a restore test of 1 GB', measure: restoreTest },
  'backup-beside-probes': { title: '/ready during a backup', measure: backupBesideProbes },
  drift: { title: 'comparison for drift on 10,000 tables', measure: drift },
  sampling: { title: 'monitoring of 1,000 and 10,000 tables', measure: sampling },
  policy: { title: 'what the rules for rows add', measure: policy },
  lint: { title: 'lint of 1,000 migrations', measure: lint },
  cleanup: { title: '/ready during a cleanup of marked rows', measure: cleanup },
  privacy: { title: 'export and erasure of a person with 100,000 rows', measure: privacy },
};
