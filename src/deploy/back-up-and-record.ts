import type { ClientBase } from 'pg';
import type { NewEntry, Recording } from '../audit-log/audit-log.types.js';
import type { ProgressListener } from '../backup/backup.types.js';
import type { Settings } from '../config/settings.js';
import { PgkeepError } from '../core/errors.js';
import { counted } from '../core/text.js';
import { withParts } from '../drift/differences.js';
import type { DriftService } from '../drift/drift.service.js';
import type { DriftedObject, FingerprintAction } from '../drift/drift.types.js';
import { temporaryNames } from '../migrations/names/temporary-objects.js';
import type { DeployDependencies, Interruptible } from './deploy-connection.js';
import type { DeployReport, PlannedMigration } from './deploy/deploy.types.js';
import type { Refuse } from './preconditions.js';

/** How the backup before a deploy or rollback is made. */
export interface BackUpOptions {
  /** Skips the backup. */
  readonly withoutBackup?: boolean | undefined;
  readonly actor: string;
  readonly signal: AbortSignal;
  readonly onStep: (line: string) => void;
  readonly onBackupProgress?: ProgressListener | undefined;
  /** What did not happen if the backup fails: `migrated`. */
  readonly done: Interruptible;
  /** For a rollback: the migration, whose deploy made a backup too. */
  readonly rolledBack?: string;
}

/**
 * Refuses to skip the backup in production.
 * @param what completes "Refused to …: … requires a backup"
 * @throws PgkeepError what `refuse` makes.
 */
export function requireBackup(
  { environment }: Settings,
  withoutBackup: boolean | undefined,
  what: string,
  refuse: Refuse,
): void {
  if (withoutBackup !== true || environment !== 'production') return;
  throw refuse(`${what} requires a backup`, 'Omit --without-backup: the backup is made first.');
}

/**
 * Makes the backup before a deploy or rollback.
 * @returns its name; null if it is skipped.
 * @throws PgkeepError with the backup's code; nothing was changed.
 */
export async function backUpFirst(
  dependencies: Pick<DeployDependencies, 'backups' | 'changelog' | 'settings'>,
  options: BackUpOptions,
): Promise<string | null> {
  const { withoutBackup, actor, signal, onStep, onBackupProgress: onProgress, done, rolledBack } = options;
  if (withoutBackup === true) return null;
  onStep('Backing up');
  const origin = rolledBack === undefined ? undefined : await backupBeforeDeploy(dependencies, rolledBack);
  try {
    const backup = { reason: 'pre-migration', origin, actor, signal, onProgress } as const;
    return (await dependencies.backups.create(backup)).name;
  } catch (error) {
    if (!(error instanceof PgkeepError)) throw error;
    throw new PgkeepError(error.code, `Nothing was ${done}: ${error.message}`, {
      ...(error.hint !== undefined && { hint: error.hint }),
      cause: error,
    });
  }
}

/**
 * Returns the backup made before the newest deploy of a migration; undefined if there is none, or if the
 * audit log cannot be read: it is only a note in a manifest.
 */
async function backupBeforeDeploy(
  { changelog, settings }: Pick<DeployDependencies, 'changelog' | 'settings'>,
  migration: string,
): Promise<string | undefined> {
  const subject = settings.database.url.database;
  const entry = await changelog
    .newest({ action: 'deploy', subject, details: { migrations: [migration] } })
    .catch(() => undefined);
  const backup: unknown = Reflect.get(Object(entry?.details), 'backup');
  return typeof backup === 'string' ? backup : undefined;
}

/** Records an action on the configured database in the audit log. Never fails. */
export async function recordAction(
  { settings, changelog }: Pick<DeployDependencies, 'settings' | 'changelog'>,
  { action, details, actor }: Pick<NewEntry, 'action' | 'details' | 'actor'>,
): Promise<Recording> {
  const { database, environment } = settings;
  return await changelog.recordDone({
    action,
    subject: database.url.database,
    details: { environment, ...details },
    actor,
  });
}

/**
 * Handles drift in a deploy: manual changes made before it are still reported afterwards, and the result of the deploy is
 * recorded as the expected structure.
 */
export class DeployDrift {
  private earlier: readonly DriftedObject[] = [];

  /** @param action what is recorded with the structure */
  constructor(
    private readonly drift: DriftService,
    private readonly action: FingerprintAction = 'deploy',
  ) {}

  /** Looks for drift before anything is done. @returns notes. */
  async look(client: ClientBase): Promise<string[]> {
    this.earlier = await this.drift.before(client);
    const { length } = withParts(this.earlier);
    if (length === 0) return [];
    return [
      `${counted(length, 'object was', 'objects were')} changed outside of migrations: \`pgkeep migrate drift\``,
    ];
  }

  /** Records the structure after the deploy. An object that one of its scripts names is expected as it is now. */
  async record(
    client: ClientBase,
    scripts: readonly Pick<PlannedMigration, 'sql'>[],
  ): Promise<Pick<DeployReport, 'drifted' | 'notFingerprinted'>> {
    const unnamed = await this.unnamed(scripts);
    const { notRecorded } = await this.drift.recordAfter(this.action, unnamed);
    const drifted = unnamed.length === 0 ? [] : await this.drift.before(client);
    return {
      drifted: withParts(drifted).length,
      ...(notRecorded !== undefined && { notFingerprinted: notRecorded }),
    };
  }

  /**
   * Records the structure after a deploy that failed between two migrations: manual changes made before it
   * would be taken for its work otherwise.
   */
  async recordPart(applied: readonly PlannedMigration[], isHalfDone: boolean): Promise<void> {
    if (applied.length === 0 || isHalfDone) return;
    await this.drift.recordAfter(this.action, await this.unnamed(applied));
  }

  /** Records the structure when nothing was pending and no expected structure is recorded yet. */
  async recordFirst(): Promise<Pick<DeployReport, 'drifted' | 'notFingerprinted'>> {
    const { notRecorded } = await this.drift.recordFirst();
    return {
      drifted: withParts(this.earlier).length,
      ...(notRecorded !== undefined && { notFingerprinted: notRecorded }),
    };
  }

  private async unnamed(scripts: readonly Pick<PlannedMigration, 'sql'>[]): Promise<DriftedObject[]> {
    if (this.earlier.length === 0) return [];
    const read = await Promise.all(
      scripts.map(async ({ sql }) => ({ sql, temporary: await temporaryNames(sql) })),
    );
    return this.earlier.filter(
      (object) => !read.some(({ sql, temporary }) => namesObject(sql, object, temporary)),
    );
  }
}

/** An SQL identifier, quoted or not, or a keyword. */
const WORD = /"(?:[^"]|"")+"|[\p{L}\p{N}_$]+/gu;

/** Objects that have only the name of their table or view. */
const NAMELESS = /^(?:table|foreign table|view|materialized view)$/;

/**
 * Whether a migration names an object and its table: `ADD COLUMN IF NOT EXISTS` for a column that was
 * added by hand makes it expected, although it changes nothing. Pure.
 * @param temporary names of temporary relations in it, in lower case: those are other objects
 */
export function namesObject(
  sql: string,
  { home, object }: DriftedObject,
  temporary: ReadonlySet<string> = new Set(),
): boolean {
  const [relation] = home === '' ? ownWords(object) : wordsOf(home).slice(-1);
  if (relation !== undefined && temporary.has(relation.toLowerCase())) return false;
  const words = new Set(wordsOf(sql).map((word) => word.toLowerCase()));
  return [...wordsOf(home).slice(-1), ...ownWords(object)].every((word) => words.has(word.toLowerCase()));
}

function ownWords(object: string): string[] {
  if (NAMELESS.test(object)) return [];
  // The arguments of a function follow its name.
  const words = wordsOf(object.replace(/\(.*/s, ''));
  return object === 'row security' ? words : words.slice(-1);
}

function wordsOf(text: string): string[] {
  return (text.match(WORD) ?? []).map((word) =>
    word.startsWith('"') ? word.slice(1, -1).replaceAll('""', '"') : word,
  );
}
