import { Inject, Injectable } from '@nestjs/common';
import { operator } from '../changelog/actor.js';
import { appendPlan } from '../changelog/append.js';
import type { NewEntry } from '../changelog/changelog.types.js';
import { mayRecord, recordingDenied, type RecordingAbility } from '../changelog/may-record.js';
import { Clock } from '../clock/clock.js';
import { describeDatabaseUrl } from '../config/database-url.js';
import type { EnvironmentName, Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { databaseError } from '../database/database-fault.js';
import { DatabaseService } from '../database/database.service.js';
import { read } from '../database/read.js';
import { withRecords } from '../database/records.js';
import { sameDatabase, type DatabaseIdentity, type StampReading } from '../environment/environment.types.js';
import { readIdentity, readStamp } from '../environment/read-environment.js';
import { KeepError } from '../errors.js';
import type { StampOptions, StampReport } from './install.types.js';

interface Situation {
  readonly reading: StampReading;
  readonly identity: DatabaseIdentity | undefined;
  readonly recording: RecordingAbility;
  readonly role: string;
  readonly database: string;
}

/** Writes the stamp: the database's own word on which environment it serves. */
@Injectable()
export class StampService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly database: DatabaseService,
    private readonly clock: Clock,
  ) {}

  /**
   * Stamps the database. The same stamp again is no error; another environment's stamp is replaced only with
   * `replace` and the database's name as `target`. Every stamp is recorded in the changelog, or not made.
   * @throws KeepError `STAMP_REFUSED`, `NOT_INSTALLED`, or a `DATABASE_…` code.
   */
  async stamp(environment: EnvironmentName, options: StampOptions = {}): Promise<StampReport> {
    const situation = await this.look();
    const identity = requireStampable(environment, situation);
    requireConsent(environment, situation, options);
    const { reading, database } = situation;
    const changed =
      reading.kind !== 'stamped' ||
      reading.stamp.environment !== environment ||
      !sameDatabase(reading.stamp, identity);
    if (changed) {
      requireRecordable(environment, situation);
      const entry = stampEntry(environment, identity, situation, options.actor ?? operator());
      await this.write(environment, identity, situation.role, entry);
    }
    return { environment, database, ...identity, changed };
  }

  /** Stamps a database that nobody stamped yet, and only that: undefined when there was nothing to do. */
  async stampIfUnstamped(environment: EnvironmentName, actor?: string): Promise<StampReport | undefined> {
    const { reading } = await this.look();
    if (reading.kind !== 'unstamped') return undefined;
    return await this.stamp(environment, actor === undefined ? {} : { actor });
  }

  private async look(): Promise<Situation> {
    const { primary, timeouts } = this.database;
    return await this.explained(() =>
      this.database.withPooled(primary, async (client) => {
        const reading = await readStamp(client, timeouts);
        const identity = await readIdentity(client, timeouts);
        const recording = await mayRecord(client, timeouts);
        const [names] = await read<{ role: string; database: string }>(client, {
          sql: 'SELECT current_user::text AS role, pg_catalog.current_database()::text AS database',
          ...timeouts,
        });
        return { reading, identity, recording, role: names?.role ?? '', database: names?.database ?? '' };
      }),
    );
  }

  /** The stamp and its entry in the changelog in one transaction: both, or neither. */
  private async write(
    environment: EnvironmentName,
    identity: DatabaseIdentity,
    role: string,
    entry: NewEntry,
  ): Promise<void> {
    const row = {
      environment,
      systemIdentifier: identity.systemIdentifier,
      databaseOid: BigInt(identity.databaseOid),
      stampedAt: this.clock.now(),
      stampedBy: role,
    };
    const append = appendPlan(entry);
    const timeout = `SET LOCAL statement_timeout = ${this.database.timeouts.statementTimeoutMs}`;
    await this.explained(() =>
      withRecords(this.database, (records) =>
        records.$transaction([
          records.$executeRawUnsafe(timeout),
          records.databaseEnvironment.upsert({ where: { id: 1 }, create: { id: 1, ...row }, update: row }),
          records.$executeRawUnsafe(append.sql, ...append.values),
        ]),
      ),
    );
  }

  private async explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw databaseError(`stamp ${describeDatabaseUrl(this.settings.database.url)}`, error);
    }
  }
}

function stampEntry(
  environment: EnvironmentName,
  identity: DatabaseIdentity,
  { reading, database }: Situation,
  actor: string,
): NewEntry {
  const previous = reading.kind === 'stamped' ? reading.stamp : undefined;
  const replaced = previous !== undefined && previous.environment !== environment;
  const details = { from: previous?.environment ?? null, to: environment, replaced, ...identity };
  return { deed: 'stamp', subject: database, details, actor };
}

function requireRecordable(environment: EnvironmentName, { recording, role }: Situation): void {
  if (recording === 'denied') throw recordingDenied('stamp the database', role);
  if (recording === 'allowed') return;
  throw new KeepError(
    'NOT_INSTALLED',
    'Cannot stamp the database: pgkeep’s schema in it is older than this pgkeep, and cannot record the stamp.',
    { hint: `Run \`pgkeep install\`, then \`pgkeep stamp ${environment}\`.` },
  );
}

function requireStampable(
  environment: EnvironmentName,
  { reading, identity, role }: Situation,
): DatabaseIdentity {
  if (reading.kind === 'not-installed') {
    throw new KeepError(
      'NOT_INSTALLED',
      'Cannot stamp the database: pgkeep’s schema is not installed in it.',
      {
        hint: `Run \`pgkeep install\`, then \`pgkeep stamp ${environment}\`.`,
      },
    );
  }
  if (reading.kind === 'unreadable' || !identity) {
    const subject = identity ? 'pgkeep.database_environment' : 'pg_control_system()';
    throw new KeepError(
      'DATABASE_PERMISSION_DENIED',
      `Cannot stamp the database: role "${role}" may not use ${subject}.`,
      {
        hint: 'Run `pgkeep stamp` as the database’s owner.',
      },
    );
  }
  return identity;
}

/** Another environment's stamp is the one thing that keeps a laptop from passing for production. */
function requireConsent(
  environment: EnvironmentName,
  { reading, identity, database }: Situation,
  { replace = false, target }: StampOptions,
): void {
  if (reading.kind !== 'stamped' || reading.stamp.environment === environment) return;
  if (replace && target === database) return;
  const { stamp } = reading;
  const isCopy = identity !== undefined && !sameDatabase(identity, stamp);
  const when = `${stamp.environment} by "${stamp.stampedBy}" on ${stamp.stampedAt.toISOString().slice(0, 10)}`;
  throw new KeepError(
    'STAMP_REFUSED',
    `Refused to stamp database "${database}" as ${environment}: it is stamped ${when}${isCopy ? ', when it was another database: this is a copy' : ''}. Nothing was changed.`,
    {
      hint: `If it really is to serve ${environment} from now on: \`pgkeep stamp ${environment} --replace --target ${database}\`.`,
    },
  );
}
