import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Environment } from '../../src/config/read-settings.js';
import { CLINIC_MIGRATIONS, query } from './clinic.js';
import { PgkeepProcess } from './pgkeep-process.js';
import { until } from './until.js';

/** One row of `pgkeep.job_run`. */
export interface RunRow {
  readonly id: string;
  readonly job: string;
  readonly due_at: Date;
  readonly trigger: string;
  readonly state: string;
  readonly fence: string | null;
  readonly holder: string | null;
  readonly started_at: Date | null;
  readonly finished_at: Date | null;
  readonly losses: number;
  readonly result: Readonly<Record<string, unknown>> | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

export const ADMIN = 'a-token-of-more-than-thirty-two-characters';

/** Services (`dist/main.js`) that guard one database together and keep their backups in one directory. */
export class Replicas {
  readonly directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-replicas-'));
  private readonly started: PgkeepProcess[] = [];

  constructor(
    private readonly url: string,
    private readonly environment: Environment = {},
  ) {}

  get settings(): Environment {
    return {
      NODE_ENV: 'test',
      DATABASE_URL: this.url,
      MIGRATIONS_DIR: CLINIC_MIGRATIONS,
      PORT: '0',
      HOST: '127.0.0.1',
      ADMIN_API_TOKEN: ADMIN,
      READINESS_REFRESH_MS: '1000',
      READINESS_TIMEOUT_MS: '800',
      BACKUP_ENABLED: 'true',
      BACKUP_DIR: this.directory,
      ...this.environment,
    };
  }

  /** Starts another service, and waits until it listens. */
  async start(environment: Environment = {}): Promise<{ service: PgkeepProcess; url: string }> {
    const service = new PgkeepProcess('main', [], { ...this.settings, ...environment });
    this.started.push(service);
    return { service, url: await service.listening() };
  }

  async runs(job = 'backup'): Promise<RunRow[]> {
    const { rows } = await query(this.url, 'SELECT * FROM pgkeep.job_run WHERE job = $1 ORDER BY due_at', [
      job,
    ]);
    return rows;
  }

  /** Waits until there is such a run. */
  async untilRun(matches: (run: RunRow) => boolean, what: string, deadlineMs = 60_000): Promise<RunRow> {
    let found: RunRow | undefined;
    await until(
      async () => {
        found = (await this.runs().catch(() => [])).find(matches);
        return found !== undefined;
      },
      deadlineMs,
      what,
    );
    if (!found) throw new Error(what);
    return found;
  }

  /** Kills all of them in any state. */
  async kill(): Promise<void> {
    for (const service of this.started) service.signal('SIGCONT');
    await Promise.all(this.started.map((service) => service.kill()));
  }
}

/** Returns which of these processes holds a run. */
export function isHeldBy({ holder }: Pick<RunRow, 'holder'>, service: PgkeepProcess): boolean {
  return holder?.startsWith(`${service.pid}@`) === true;
}

/** Due once a minute, for the first time when the replicas are up. */
export function scheduleIn(seconds: number): string {
  return `${new Date(Date.now() + seconds * 1000).getUTCSeconds()} * * * * *`;
}
