import type { ClientBase } from 'pg';
import { counted } from '../core/text.js';
import { withParts } from '../drift/differences.js';
import type { DriftService } from '../drift/drift.service.js';
import type { DriftedObject, FingerprintAction } from '../drift/drift.types.js';
import { temporaryNames } from '../migrations/names/temporary-objects.js';
import type { DeployReport, PlannedMigration } from './deploy/deploy.types.js';

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
