import type { Client } from 'pg';
import { counted } from '../core/counted.js';
import type { BackupStorage } from '../storage/storage.types.js';
import { dumpInto, type Dumped, type DumpCommand, type DumpTarget } from './dump.js';
import { FIRST_OWN_OID } from './structure-mark.js';

/** An encrypted archive has a header before there is anything of the dump in it. */
export const LARGEST_HEADER = 65_536;

/**
 * Versions of what pg_dump describes with functions of the server that see the present and not its snapshot, such as
 * `pg_get_function_result`: of a function that was dropped meanwhile it writes a command without a result type, and exits 0.
 * Tables, with their indexes, triggers and rules, are locked. One array: `catalogue oid xmin`.
 */
const VERSIONS = `SELECT coalesce(pg_catalog.array_agg(v.version), '{}') AS versions
  FROM (SELECT pg_catalog.concat('pg_proc ', p.oid, ' ', p.xmin) AS version FROM pg_catalog.pg_proc p
         WHERE p.oid >= ${FIRST_OWN_OID}
         UNION ALL
        SELECT pg_catalog.concat('pg_statistic_ext ', s.oid, ' ', s.xmin) FROM pg_catalog.pg_statistic_ext s
         UNION ALL
        SELECT pg_catalog.concat('pg_constraint ', k.oid, ' ', k.xmin) FROM pg_catalog.pg_constraint k
         WHERE k.contypid <> 0 AND k.oid >= ${FIRST_OWN_OID}
         UNION ALL
        SELECT pg_catalog.concat('pg_rewrite ', r.oid, ' ', r.xmin)
          FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
         WHERE c.relpersistence <> 't' AND r.oid >= ${FIRST_OWN_OID}) v`;

/** Something that the dump describes was dropped or replaced while pg_dump read it: what was written may not restore. */
export class ReplacedWhileDumped extends Error {
  override readonly name = 'ReplacedWhileDumped';
}

/** Reads the versions that a transaction sees. */
export async function readVersions(client: Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ versions: string[] }>(VERSIONS);
  return rows[0]?.versions ?? [];
}

/** @throws ReplacedWhileDumped where one of the snapshot's versions is gone. */
export async function requireVersions(client: Client, ofSnapshot: readonly string[]): Promise<void> {
  const current = new Set(await readVersions(client));
  const gone = ofSnapshot.filter((version) => !current.has(version)).length;
  if (gone === 0) return;
  const what = counted(gone, 'function, view or domain', 'functions, views or domains');
  throw new ReplacedWhileDumped(`${what} changed as pg_dump read the structure`);
}

/**
 * Streams a dump into the storage, and looks once whether what it describes is still there: when the first bytes come,
 * pg_dump has read the whole structure.
 * @throws what `requireUnchanged` and {@link dumpInto} throw.
 */
export async function dumpWatched(
  storage: BackupStorage,
  key: string,
  command: DumpCommand,
  { requireUnchanged, ...target }: DumpTarget & { readonly requireUnchanged: () => Promise<void> },
): Promise<Dumped> {
  const changed = new AbortController();
  const signal = AbortSignal.any([target.signal, changed.signal]);
  let looking: Promise<void> | undefined;
  const lookOnce = async (): Promise<void> => {
    looking ??= requireUnchanged().catch((error: unknown) => changed.abort(error));
    await looking;
  };
  const onBytes = (bytes: number): void => {
    if (bytes > LARGEST_HEADER) void lookOnce();
    target.onBytes?.(bytes);
  };
  try {
    const dumped = await dumpInto(storage, key, command, { ...target, signal, onBytes });
    await lookOnce();
    changed.signal.throwIfAborted();
    return dumped;
  } catch (error) {
    await looking;
    // The program that was ended for it fails as well.
    changed.signal.throwIfAborted();
    throw error;
  }
}
