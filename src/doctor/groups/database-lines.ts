import { Inject, Injectable } from '@nestjs/common';
import { type ClientBase, escapeIdentifier } from 'pg';
import { mayRecord } from '../../audit-log/append.js';
import { readDatabaseFacts } from '../../backup/create/database-facts.js';
import { readObstacles, requireComplete } from '../../backup/create/preflight.js';
import { unknownSettings } from '../../config/settings-list.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { Clock } from '../../core/clock.js';
import { PgkeepError } from '../../core/errors.js';
import { missingGrants } from '../../drift/missing-rights.js';
import { stampGrants } from '../../environment/environment.types.js';
import { readIdentity, readStamp } from '../../environment/stamp.js';
import { readDdlGuardSwitch } from '../../guard/ddl/ddl-guard-state.js';
import { JobsService } from '../../jobs/jobs.service.js';
import { type JobsAbility, whyUnable } from '../../jobs/jobs.types.js';
import { verifiesServer } from '../../postgres/connection-candidates.js';
import { DatabaseService } from '../../postgres/database.service.js';
import { currentRole, mayInsert, type ReadTimeouts } from '../../postgres/read.js';
import type { ServerFacts } from '../../postgres/server-facts.js';
import { fail, ofCheck, ok, skip } from '../check-line.js';
import type { DoctorFacts, DoctorOptions, Line, LineResult } from '../doctor.types.js';

/** Clocks that differ by more make ages and schedules wrong; certificates and buckets refuse much later. */
const MOST_SKEW_MS = 5000;

/** The lines of "Before deployment" about the settings, and about the database itself. */
@Injectable()
export class DatabaseLines {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly database: DatabaseService,
    private readonly jobs: JobsService,
  ) {}

  lines({ environment }: DoctorOptions, facts: DoctorFacts): Line[] {
    const { server, verdict } = facts;
    const onServer = (check: (server: ServerFacts) => LineResult | Promise<LineResult>) => async () =>
      server === undefined ? skip('the database did not answer') : await check(server);
    return [
      {
        name: 'settings',
        title: 'settings',
        check: async () => ok(['every setting is valid', ...unknownSettings(environment)].join('; ')),
      },
      {
        name: 'database',
        title: 'database reached',
        check: async () => this.checkDatabase(facts),
      },
      {
        name: 'tls',
        title: 'connection encrypted and verified',
        needsDatabase: true,
        check: onServer((one) => this.checkTls(one)),
      },
      {
        name: 'limits',
        title: 'connection limits and timeouts',
        needsDatabase: true,
        check: async () => ofCheck(verdict, 'databaseSafety', 'npx pgkeep ready'),
      },
      {
        name: 'stamp',
        title: 'database stamped for this environment',
        needsDatabase: true,
        check: () => this.checkStamp(facts),
      },
      {
        name: 'rights',
        title: 'rights of the role',
        needsDatabase: true,
        check: onServer((one) => this.checkRights(one)),
      },
      {
        name: 'ddl-guard',
        title: 'DDL guard against DROP and TRUNCATE',
        needsDatabase: true,
        check: onServer((one) => this.checkDdlGuard(one)),
      },
      { name: 'clock', title: 'clocks agree', needsDatabase: true, check: () => this.checkClock() },
    ];
  }

  private checkDatabase({ server, serverFault, verdict }: DoctorFacts): LineResult {
    if (server === undefined) return fail(serverFault?.text ?? 'not reached', serverFault?.next);
    const { details, ...result } = ofCheck(verdict, 'database', 'npx pgkeep ping');
    return { ...result, details: `${details}, database "${server.database}", role "${server.role}"` };
  }

  private checkTls({ tls: { protocol, serverSeesTls, behindProxy } }: ServerFacts): LineResult {
    const isVerified = verifiesServer(this.settings.database.pooledUrl);
    const found =
      protocol === undefined ? 'not encrypted' : `${protocol}, ${isVerified ? '' : 'not '}verified`;
    const next = 'add sslmode=verify-full, and sslrootcert where the authority is your own, to DATABASE_URL';
    if (protocol === undefined || !isVerified) {
      return this.isProduction ? fail(found, next) : skip(`${found}; production needs both`);
    }
    return ok(behindProxy && !serverSeesTls ? `${found}; TLS ends at a proxy or pooler` : found);
  }

  private async checkStamp({ verdict }: DoctorFacts): Promise<LineResult> {
    const { environment } = this.settings;
    const stamp = await this.database.withPooled(this.database.front, (client) =>
      readStamp(client, this.database.timeouts),
    );
    if (stamp.kind === 'not-installed') {
      return fail('schema pgkeep is not installed', `npx pgkeep install && npx pgkeep stamp ${environment}`);
    }
    if (stamp.kind === 'unstamped') return fail('not stamped', `npx pgkeep stamp ${environment}`);
    return ofCheck(verdict, 'environment', 'npx pgkeep ready');
  }

  private async checkRights({ role }: ServerFacts): Promise<LineResult> {
    const { ability } = await this.jobs.read();
    const { primary, timeouts } = this.database;
    const missing = await this.database.withPooled(primary, (client) =>
      readMissingRights(client, { settings: this.settings, timeouts, jobs: ability }),
    );
    const shownRole = escapeIdentifier(role);
    if (missing.length === 0) return ok(`role ${shownRole} has every right that the features need`);
    const features = [...new Set(missing.map(({ feature }) => feature))].join(', ');
    const grants = [...new Set(missing.map(({ grant }) => grant))].join('\n');
    return fail(`role ${shownRole} lacks rights for: ${features}`, grants);
  }

  /** Many clouds give no role the right to make it: what cannot be done here fails nothing. */
  private async checkDdlGuard({ isSuperuser }: ServerFacts): Promise<LineResult> {
    const { primary, timeouts } = this.database;
    const ddlGuard = await this.database.withPooled(primary, (client) =>
      readDdlGuardSwitch(client, timeouts),
    );
    if (ddlGuard === 'on') return ok('on');
    const state = ddlGuard === 'off' ? 'switched off' : 'not installed';
    const next = 'npx pgkeep install --ddl-guard';
    if (!this.isProduction) return skip(`${state}; for production`);
    return isSuperuser || ddlGuard === 'off'
      ? fail(state, next)
      : skip(`${state}; only a superuser can install it: ${next}`);
  }

  private async checkClock(): Promise<LineResult> {
    const before = this.clock.now().getTime();
    const [row] = await this.database.read<{ now: Date }>(
      this.database.front,
      'SELECT pg_catalog.clock_timestamp() AS now',
    );
    const after = this.clock.now().getTime();
    const skewMs = (row?.now.getTime() ?? before) - (before + after) / 2;
    const seconds = Math.round(Math.abs(skewMs) / 100) / 10;
    if (Math.abs(skewMs) - (after - before) / 2 <= MOST_SKEW_MS) {
      return ok(`${seconds} s apart`);
    }
    const which = skewMs > 0 ? 'behind' : 'ahead of';
    return fail(
      `this machine is ${seconds} s ${which} the database server`,
      'keep both in time with NTP: timedatectl set-ntp true',
    );
  }

  private get isProduction(): boolean {
    return this.settings.environment === 'production';
  }
}

/** A right that the role lacks, and the feature that needs it. */
interface MissingRight {
  readonly feature: string;
  /** SQL that gives it, or who may give it and how. */
  readonly grant: string;
}

/** Says what the role is asked about. */
interface RightsQuestion {
  readonly settings: Settings;
  readonly timeouts: ReadTimeouts;
  /** Whether the role can run jobs. */
  readonly jobs: JobsAbility;
}

/**
 * Reads the rights that the role lacks for the features that are switched on. Asks the catalogue, which every role may read.
 * @throws what the connection throws.
 */
async function readMissingRights(
  client: ClientBase,
  { settings, timeouts, jobs }: RightsQuestion,
): Promise<MissingRight[]> {
  const role = escapeIdentifier(await currentRole(client, timeouts));
  const missing: MissingRight[] = [];
  const add = (feature: string, grant: string | undefined): void => {
    if (grant !== undefined) missing.push({ feature, grant });
  };
  add('drift', await missingGrants(client, settings.database.url.schema, timeouts));
  const stamp = await readStamp(client, timeouts);
  add('environment', stamp.kind === 'unreadable' ? `${stampGrants(role)};` : undefined);
  const identity = await readIdentity(client, timeouts);
  add(
    'environment',
    identity ? undefined : `GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO ${role};`,
  );
  if (!settings.backup.enabled) return missing;
  add('backups', await backupObstacle(client));
  const recording = await mayRecord(client, timeouts);
  add('audit log', recording === 'denied' ? `GRANT INSERT ON pgkeep.change_log TO ${role};` : undefined);
  add('jobs', jobs.kind === 'denied' ? whyUnable(jobs).hint : undefined);
  const evidence = await mayInsert(client, { schema: 'pgkeep', table: 'restore_test' }, timeouts);
  add('restore tests', evidence !== false ? undefined : `GRANT INSERT ON pgkeep.restore_test TO ${role};`);
  return missing;
}

/** What keeps a backup from being complete, as the grants that a backup itself would ask for. */
async function backupObstacle(client: ClientBase): Promise<string | undefined> {
  const facts = await readDatabaseFacts(client);
  const obstacles = await readObstacles(client, facts);
  try {
    requireComplete(obstacles, facts);
    return undefined;
  } catch (error) {
    if (error instanceof PgkeepError && error.hint !== undefined) return error.hint;
    throw error;
  }
}
