import type { EncryptionSettings } from '../../config/settings.js';
import { PgkeepError } from '../../core/errors.js';
import { valueOf } from '../../core/known.js';
import { withoutStop } from '../../core/text.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import type {
  CopyFinding,
  Manifest,
  ProgressListener,
  VerificationFinding,
  VerificationReport,
} from '../backup.types.js';
import type { BackupCopy, UnreadableCopy } from '../catalog/backup-catalog.js';
import { archiveKey } from '../catalog/backup-name.js';
import { findKeys } from '../encryption/keys.js';
import { omissionTexts } from '../omissions.js';
import { findTool, majorOf, type PostgresTool } from '../postgres-tools.js';
import { readStoredArchive, type StoredArchive } from './verify-contents.js';

/** The inputs of a verification. */
export interface VerificationContext {
  readonly storage: BackupStorage;
  readonly encryption: EncryptionSettings;
  readonly searchPath: string;
  readonly signal: AbortSignal;
  readonly onProgress?: ProgressListener | undefined;
}

/** The faults of an archive, and what could not be verified. */
export interface ArchiveVerdict {
  readonly findings: readonly VerificationFinding[];
  readonly notChecked: readonly string[];
}

/** Reads a backup's archive and compares it with its manifest. Without a finding it is intact, byte by byte. */
export async function verifyArchive(
  name: string,
  manifest: Omit<Manifest, 'finishedAt'>,
  { storage, encryption, searchPath, signal, onProgress }: VerificationContext,
): Promise<ArchiveVerdict> {
  const named = nameFindings(name, manifest);
  const key = archiveKey(name, manifest);
  if (!(await storage.head(key))) {
    const details = `${key} is not in ${storage.location}`;
    return { findings: [...named, { code: 'ARCHIVE_MISSING', details }], notChecked: [] };
  }
  const recipients = manifest.encryption?.recipients;
  const search = recipients && (await findKeys(key, recipients, encryption));
  const missing = search && 'reason' in search ? search.reason : undefined;
  const keys = valueOf(search);
  const atLeastMajor = majorOf(manifest.toolVersions.pgDump);
  const findPgRestore = async (): Promise<PostgresTool> =>
    await findTool({ program: 'pg_restore', atLeastMajor, searchPath });
  const check = missing ? undefined : { keys, format: manifest.format, findPgRestore };
  const onBytes = (bytes: number): void =>
    onProgress?.({ phase: 'reading back', bytes, expectedBytes: manifest.bytes });
  const found = await readStoredArchive(storage, key, check, { signal, onBytes });
  const notDecrypted =
    found.notDecrypted === undefined ? [] : [`Cannot decrypt ${key}: ${found.notDecrypted}.`];
  const hint = missing?.hint === undefined ? '' : ` ${missing.hint}`;
  return {
    findings: [...named, ...archiveFindings(manifest, found)],
    notChecked: missing ? [`${missing.message}${hint}`] : notDecrypted,
  };
}

function nameFindings(name: string, manifest: Pick<Manifest, 'name'>): VerificationFinding[] {
  if (manifest.name === name) return [];
  return [{ code: 'NAME_DIFFERS', details: `the manifest is for the backup ${manifest.name}` }];
}

/** Compares a stored archive with its manifest. */
export function archiveFindings(
  expected: Pick<Manifest, 'bytes' | 'sha256' | 'encryption'>,
  { bytes, sha256, fault, plain }: StoredArchive,
): VerificationFinding[] {
  const findings: VerificationFinding[] = [];
  if (bytes !== expected.bytes) {
    findings.push({
      code: 'SIZE_DIFFERS',
      details: `${bytes} bytes are stored, ${expected.bytes} were dumped`,
    });
  }
  if (sha256 !== expected.sha256) {
    findings.push({
      code: 'DIGEST_DIFFERS',
      details: `sha256 ${sha256} is stored, ${expected.sha256} was dumped`,
    });
  }
  if (fault !== undefined) findings.push({ code: 'ARCHIVE_UNREADABLE', details: fault });
  else if (plain && expected.encryption && plain.sha256 !== expected.encryption.plainSha256) {
    findings.push({
      code: 'PLAIN_DIGEST_DIFFERS',
      details: `sha256 ${plain.sha256} is inside the encryption, ${expected.encryption.plainSha256} was encrypted`,
    });
  }
  return findings;
}

/** Verifies every copy of a backup. A copy that cannot be read is a finding, too. */
export async function verifyCopies(
  { name, without }: Pick<Manifest, 'name' | 'without'>,
  copies: AsyncIterable<BackupCopy | UnreadableCopy>,
  verify: (copy: BackupCopy) => Promise<ArchiveVerdict>,
): Promise<VerificationReport> {
  const findings: CopyFinding[] = [];
  const locations: string[] = [];
  // A set: a missing key is reported once, not for every copy.
  const notChecked = new Set<string>();
  for await (const copy of copies) {
    const { location } = copy.storage;
    locations.push(location);
    const verdict = await verdictOn(copy, verify);
    for (const finding of verdict.findings) findings.push({ ...finding, location });
    for (const text of verdict.notChecked) notChecked.add(text);
  }
  const verdict = findings.length === 0 ? 'passed' : 'failed';
  return { name, verdict, without: omissionTexts(without), findings, locations, notChecked: [...notChecked] };
}

async function verdictOn(
  copy: BackupCopy | UnreadableCopy,
  verify: (copy: BackupCopy) => Promise<ArchiveVerdict>,
): Promise<ArchiveVerdict> {
  if ('error' in copy) return unreadable(copy.error);
  try {
    return await verify(copy);
  } catch (error) {
    // A fault of this machine's disk, an interruption and a missing tool are not verdicts on the copy.
    if (!(error instanceof PgkeepError) || copy.storage.pathOf !== undefined) throw error;
    if (error.code === 'BACKUP_TOOLS_MISSING') throw error;
    return unreadable(error);
  }
}

function unreadable({ message }: PgkeepError): ArchiveVerdict {
  const details = withoutStop(message);
  return { findings: [{ code: 'COPY_UNREADABLE', details }], notChecked: [] };
}
