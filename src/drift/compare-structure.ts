import type { ClientBase } from 'pg';
import type { Externals } from '../config/prisma-project.js';
import { isBeingDeployed, readAppliedMigrations } from '../migrations/history/prisma-history.js';
import { STRUCTURE_SECTIONS, type StructureSection } from '../postgres/catalogue/structure-queries.js';
import { read, type ReadTimeouts, tableExists } from '../postgres/read.js';
import { type DifferenceRow, judgeDifferences, withoutExternals } from './differences.js';
import type { ComparedStructure, DriftedObject, DriftLook, RecordedFingerprint } from './drift.types.js';
import {
  differencesQuery,
  DIGESTS_QUERY,
  EXTERNALS_QUERY,
  FINGERPRINTS,
  inStructureTransaction,
  METHOD,
  NEW_PARTITIONS_QUERY,
  PLACE_QUERY,
} from './fingerprint-sql.js';

/** How the structure is compared. */
export interface LookOptions {
  readonly timeouts: ReadTimeouts;
  /** PostgreSQL schema of `_prisma_migrations`. */
  readonly schema: string;
  /** An earlier look, which is reused if nothing has changed since. */
  readonly previous?: DriftLook | undefined;
  /** Compares although migrations are being applied, because the caller applies them. Defaults to false */
  readonly duringDeploy?: boolean;
  /** What another team or program may change. Defaults to what was external when the structure was recorded */
  readonly externals?: Externals | undefined;
}

type Digests = Readonly<Record<string, string>>;

/** The newest fingerprint, with what only a comparison needs. */
interface NewestFingerprint {
  readonly fingerprint: RecordedFingerprint;
  readonly method: number;
  readonly digests: Digests;
  /** Whether this server and database recorded it. */
  readonly isOfThisPlace: boolean;
}

/**
 * Compares the structure with the newest fingerprint. Digests are compared first; lines are read only of a
 * section whose digest differs, and only those that differ.
 * @throws what the connection throws.
 */
export async function lookForDrift(client: ClientBase, options: LookOptions): Promise<DriftLook> {
  const { timeouts, schema, previous, duringDeploy = false, externals } = options;
  if (!(await hasFingerprints(client, timeouts))) return { kind: 'not-installed' };
  return await inStructureTransaction(client, timeouts, 'READ ONLY', async () => {
    const newest = await readNewest(client);
    if (!newest) return { kind: 'not-recorded' };
    const recorded = newest.fingerprint;
    if (newest.method !== METHOD) return { kind: 'not-comparable', recorded };
    if (!duringDeploy && (await isBeingDeployed(client))) return { kind: 'deploying', recorded };
    const digests = await readDigests(client);
    const objects = isAsBefore(previous, recorded, digests)
      ? previous.objects
      : await readDrift(client, newest, digests, externals);
    // A deploy that began in the meantime was seen only in part.
    if (!duringDeploy && objects.length > 0 && (await isBeingDeployed(client))) {
      return { kind: 'deploying', recorded };
    }
    const applied = await readAppliedMigrations(client, schema);
    const names = new Set(applied?.map(({ name }) => name));
    const known = new Set(recorded.migrations);
    return {
      kind: 'compared',
      recorded,
      objects,
      appliedSince: [...names].filter((name) => !known.has(name)),
      goneSince: recorded.migrations.filter((name) => !names.has(name)),
      digests,
    };
  });
}

/** Whether the table for fingerprints exists. @throws what the connection throws. */
export async function hasFingerprints(client: ClientBase, timeouts: ReadTimeouts): Promise<boolean> {
  return await tableExists(client, { schema: 'pgkeep', table: 'catalogue_fingerprint' }, timeouts);
}

/** Whether a structure is recorded. @throws what the connection throws. */
export async function hasFingerprint(client: ClientBase, timeouts: ReadTimeouts): Promise<boolean> {
  const rows = await read(client, { sql: 'SELECT FROM pgkeep.catalogue_fingerprint LIMIT 1', ...timeouts });
  return rows.length > 0;
}

async function readNewest(client: ClientBase): Promise<NewestFingerprint | undefined> {
  const { rows } = await client.query<{
    id: string;
    recorded_at: Date;
    action: string;
    method: number;
    migrations: string[];
    digests: Record<string, string>;
    of_this_place: boolean;
  }>(`
    SELECT f.id::text AS id, f.recorded_at, f.action, f.method, f.migrations, f.digests,
           (f.server_version, f.database_oid, f.table_oid)
             = (place.server_version, place.database_oid, place.table_oid) AS of_this_place
      FROM ${FINGERPRINTS}, (${PLACE_QUERY}) place
     ORDER BY f.id DESC LIMIT 1`);
  const row = rows[0];
  if (!row) return undefined;
  const {
    id,
    recorded_at: recordedAt,
    action,
    migrations,
    method,
    digests,
    of_this_place: isOfThisPlace,
  } = row;
  const fingerprint = { id, recordedAt: recordedAt.toISOString(), action, migrations };
  return { fingerprint, method, digests, isOfThisPlace };
}

async function readDigests(client: ClientBase): Promise<Digests> {
  const { rows } = await client.query<{ digests: Record<string, string> }>(DIGESTS_QUERY);
  return rows[0]?.digests ?? {};
}

function isAsBefore(
  previous: DriftLook | undefined,
  { id }: RecordedFingerprint,
  digests: Digests,
): previous is ComparedStructure {
  return (
    previous?.kind === 'compared' &&
    previous.recorded.id === id &&
    STRUCTURE_SECTIONS.every((section) => previous.digests[section] === digests[section])
  );
}

async function readDrift(
  client: ClientBase,
  { fingerprint, digests: recorded, isOfThisPlace }: NewestFingerprint,
  digests: Digests,
  given: Externals | undefined,
): Promise<readonly DriftedObject[]> {
  const differing = STRUCTURE_SECTIONS.filter((section) => recorded[section] !== digests[section]);
  const drifted: DriftedObject[] = [];
  for (const section of differing) {
    const rows = await readDifferences(client, section, fingerprint.id);
    drifted.push(...(await judgeDifferences(section, rows, isOfThisPlace)));
  }
  if (drifted.length === 0) return drifted;
  const externals = given ?? (await readExternals(client, fingerprint.id));
  const own = withoutExternals(drifted, externals);
  return (await withoutNewPartitions(client, fingerprint.id, own)).toSorted(byHome);
}

async function readExternals(client: ClientBase, id: string): Promise<Externals> {
  const { rows } = await client.query<{ externals: Externals | null }>(EXTERNALS_QUERY, [id]);
  return rows[0]?.externals ?? { tables: [], enums: [] };
}

async function readDifferences(
  client: ClientBase,
  section: StructureSection,
  id: string,
): Promise<DifferenceRow[]> {
  return (await client.query<DifferenceRow>(differencesQuery(section), [id])).rows;
}

/** Leaves out partitions that were added or removed, which may have their own indexes. */
async function withoutNewPartitions(
  client: ClientBase,
  id: string,
  drifted: readonly DriftedObject[],
): Promise<readonly DriftedObject[]> {
  const homes = [...new Set(drifted.map(({ home }) => home))].filter((home) => home !== '');
  if (homes.length === 0) return drifted;
  const { rows } = await client.query<{ home: string }>(NEW_PARTITIONS_QUERY, [id, JSON.stringify(homes)]);
  const passing = new Set(rows.map(({ home }) => home));
  return drifted.filter(({ home }) => !passing.has(home));
}

function byHome(left: DriftedObject, right: DriftedObject): number {
  if (left.home === right.home) return 0;
  return left.home < right.home ? -1 : 1;
}
