import type { EncryptionSettings } from '../config/settings.js';
import type { BackupStorage } from '../storage/storage.types.js';
import { archiveKey } from './backup-name.js';
import type { Manifest, ProgressListener, VerificationFinding } from './backup.types.js';
import { findTool, type PostgresTool } from './postgres-tool.js';
import { readBack, type ReadBack } from './read-back.js';
import { keysHere } from './encryption/keys-here.js';

/** What a verification works with. */
export interface VerificationContext {
  readonly storage: BackupStorage;
  readonly encryption: EncryptionSettings;
  readonly searchPath: string;
  readonly signal: AbortSignal;
  readonly onProgress?: ProgressListener | undefined;
}

/** What is wrong with an archive, and what could not be looked at. */
export interface ArchiveVerdict {
  readonly findings: readonly VerificationFinding[];
  readonly notChecked: readonly string[];
}

/** Reads a backup's archive and judges it by its manifest. No finding: it is what was dumped, to the byte. */
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
  const here = recipients && (await keysHere(key, recipients, encryption));
  const missing = here && 'missing' in here ? here.missing : undefined;
  const keys = here && 'keys' in here ? here.keys : undefined;
  const atLeastMajor = Number.parseInt(manifest.toolVersions.pgDump, 10);
  const findPgRestore = async (): Promise<PostgresTool> =>
    await findTool({ program: 'pg_restore', atLeastMajor, searchPath });
  const inspection = missing ? undefined : { keys, format: manifest.format, findPgRestore };
  const onBytes = (bytes: number): void =>
    onProgress?.({ phase: 'reading back', bytes, expectedBytes: manifest.bytes });
  const found = await readBack(storage, key, inspection, { signal, onBytes });
  const closed = found.closed === undefined ? [] : [`${key} is encrypted, and ${found.closed}.`];
  const hint = missing?.hint === undefined ? '' : ` ${missing.hint}`;
  return {
    findings: [...named, ...archiveFindings(manifest, found)],
    notChecked: missing ? [`${missing.message}${hint}`] : closed,
  };
}

function nameFindings(name: string, manifest: Pick<Manifest, 'name'>): VerificationFinding[] {
  if (manifest.name === name) return [];
  return [{ code: 'NAME_DIFFERS', details: `the manifest is that of ${manifest.name}` }];
}

/** What a read-back tells about the archive that a manifest describes. */
export function archiveFindings(
  expected: Pick<Manifest, 'bytes' | 'sha256' | 'encryption'>,
  { bytes, sha256, fault, plain }: ReadBack,
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
      details: `sha256 ${plain.sha256} is inside, ${expected.encryption.plainSha256} was encrypted`,
    });
  }
  return findings;
}
