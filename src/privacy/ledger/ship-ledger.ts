import type { Client } from 'pg';
import type { UnreachablePlace } from '../../backup/backup.types.js';
import type { Settings } from '../../config/settings.js';
import { PgkeepError } from '../../core/errors.js';
import { queryOne } from '../../postgres/read.js';
import { setSessionSettings } from '../../postgres/session.js';
import type { RowTable } from '../row-tables.js';
import { hasPolicy, recordFoundMarks } from './found-marks.js';
import { LEDGER_FORMAT, printLine } from './ledger-entry.js';
import type { LedgerObjects } from './ledger-objects.js';
import type { ShippingReport } from './ledger.service.js';
import {
  hasLedger,
  markShipped,
  readActionIds,
  readActions,
  readLines,
  readSaltDigest,
} from './read-ledger.js';

/** One replica at a time copies the ledger. */
const LOCK = 'SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended($1, 0)) AS taken';
/** A process that was stopped in between loses its connection, and the lock with it. */
const LONGEST_PAUSE_MS = 300_000;

/** What copying the ledger needs. */
export interface ShippingContext {
  readonly settings: Settings;
  readonly places: readonly LedgerObjects[];
  /** Returns the tables of the models by their names in the ledger. */
  readonly tables: () => Promise<ReadonlyMap<string, RowTable>>;
  readonly complete: boolean;
  readonly signal: AbortSignal;
}

/** Records marks that were set without pgkeep, and copies what has no copy yet. On its own connection. */
export async function shipLedger(client: Client, context: ShippingContext): Promise<ShippingReport> {
  if (!(await hasLedger(client))) return { state: 'none', found: 0, shipped: 0, failures: [] };
  await setSessionSettings(client, { idle_session_timeout: String(LONGEST_PAUSE_MS) });
  const { taken } = await queryOne<{ taken: boolean }>(client, LOCK, ['pgkeep erasure ledger']);
  if (!taken) return { state: 'elsewhere', found: 0, shipped: 0, failures: [] };
  const tables = await context.tables();
  const marked = [...tables.values()].filter(({ deletedAt }) => deletedAt !== undefined);
  const found = (await hasPolicy(client)) ? await recordFoundMarks(client, marked, context) : 0;
  return { state: 'done', found, ...(await copy(client, tables, context)) };
}

async function copy(
  client: Client,
  tables: ReadonlyMap<string, RowTable>,
  { settings, places, complete, signal }: ShippingContext,
): Promise<Pick<ShippingReport, 'shipped' | 'failures'>> {
  const unshipped = await readActionIds(client, { shipped: false });
  const wanted = complete ? await readActionIds(client) : unshipped;
  const failures: UnreachablePlace[] = [];
  if (wanted.length === 0) return { shipped: 0, failures };
  const { environment, database } = settings;
  const subject = { database: database.url.database, environment, salt: await readSaltDigest(client) };
  for (const place of places) {
    try {
      const stored = await place.keys();
      for (const id of wanted.filter((action) => !stored.has(action))) {
        signal.throwIfAborted();
        await place.put(id, linesOf(client, id, { subject, tables }), signal);
      }
    } catch (error) {
      if (!(error instanceof PgkeepError) || signal.aborted) throw error;
      failures.push({ location: place.storage.location, message: error.message });
    }
  }
  if (failures.length > 0) return { shipped: 0, failures };
  await markShipped(client, unshipped);
  return { shipped: unshipped.length, failures };
}

async function* linesOf(
  client: Client,
  id: string,
  {
    subject,
    tables,
  }: {
    subject: { database: string; environment: string; salt: string };
    tables: ReadonlyMap<string, RowTable>;
  },
): AsyncGenerator<Buffer> {
  const [action] = await readActions(client, [id]);
  if (!action) return;
  yield Buffer.from(printLine({ format: LEDGER_FORMAT, ...subject, ...action }));
  for await (const page of readLines(client, id, tables)) {
    yield Buffer.from(page.map((line) => printLine(line)).join(''));
  }
}
