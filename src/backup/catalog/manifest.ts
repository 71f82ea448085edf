import { Readable } from 'node:stream';
import { ARCHIVE_FORMATS, ENVIRONMENTS } from '../../config/settings.js';
import {
  type Guard,
  isAbsentOr,
  isInteger,
  isListOf,
  isNullOr,
  isOneOf,
  isRecord,
  isText,
} from '../../core/json-guards.js';
import { CATALOGUE_SECTIONS } from '../../postgres/catalogue/read-catalogue.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import { BACKUP_REASONS, type Manifest } from '../backup.types.js';
import { OMISSION_KINDS } from '../omissions.js';

/** Returns whether a parsed JSON document is a manifest that this version can read. Unknown fields are ignored. */
const isManifest: Guard<Manifest> = isRecord<Manifest>({
  formatVersion: isOneOf([1]),
  name: isText,
  archive: isText,
  environment: isOneOf(ENVIRONMENTS),
  reason: isOneOf(BACKUP_REASONS),
  origin: isAbsentOr(isNullOr(isText)),
  database: isText,
  databaseOid: isText,
  databaseBytes: isAbsentOr(isInteger),
  systemIdentifier: isNullOr(isText),
  serverVersion: isText,
  toolVersions: isRecord({ pgkeep: isText, pgDump: isText }),
  encoding: isText,
  collation: isText,
  characterType: isText,
  locale: isAbsentOr(
    isRecord({
      provider: isOneOf(['libc', 'icu', 'builtin']),
      name: isNullOr(isText),
      rules: isNullOr(isText),
    }),
  ),
  startedAt: isText,
  finishedAt: isText,
  snapshotId: isText,
  format: isOneOf(ARCHIVE_FORMATS),
  compression: isText,
  encryption: isNullOr(
    isRecord({ recipients: isListOf(isText), plainBytes: isInteger, plainSha256: isText }),
  ),
  bytes: isInteger,
  sha256: isText,
  migrations: isNullOr(isListOf(isRecord({ name: isText, checksum: isText }))),
  contentHashMethod: isText,
  tables: isListOf(
    isRecord({ name: isText, rows: isInteger, contentHash: isText, writtenHash: isAbsentOr(isText) }),
  ),
  sequences: isListOf(isRecord({ name: isText, lastValue: isNullOr(isText) })),
  catalogue: isRecord({
    relations: isListOf(isText),
    columns: isListOf(isText),
    constraints: isListOf(isText),
    indexes: isListOf(isText),
    triggers: isListOf(isText),
    rowSecurity: isListOf(isText),
    extensions: isListOf(isText),
  } satisfies Record<(typeof CATALOGUE_SECTIONS)[number], Guard<string[]>>),
  without: isAbsentOr(isListOf(isRecord({ kind: isOneOf(OMISSION_KINDS), objects: isListOf(isText) }))),
  tablesWithoutRows: isAbsentOr(isListOf(isText)),
  subscriptions: isAbsentOr(isListOf(isText)),
  superuserObjects: isAbsentOr(isListOf(isText)),
  warnings: isAbsentOr(isListOf(isText)),
});

/** Parses a manifest; undefined if this version cannot read it. */
export function parseManifest(text: string): Manifest | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return isManifest(parsed) ? parsed : undefined;
  } catch {
    // A truncated or overwritten manifest is as unreadable as one of a later format.
    return undefined;
  }
}

/** Returns a manifest as the text of its file. */
export function printManifest(manifest: Manifest): string {
  return `${JSON.stringify(manifest, null, 2)}\n`;
}

/** Reads a small text object. */
export async function readText(storage: BackupStorage, key: string): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of await storage.get(key)) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString('utf8');
}

/** Stores a small text object. */
export async function writeText(
  storage: BackupStorage,
  key: string,
  text: string,
  signal: AbortSignal,
): Promise<void> {
  await storage.put(key, Readable.from([Buffer.from(text)], { objectMode: false }), { signal });
}
