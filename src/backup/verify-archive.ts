import type { BackupStorage } from '../storage/storage.types.js';
import { archiveKey } from './backup-name.js';
import type { Manifest, VerificationFinding } from './backup.types.js';
import type { PostgresTool } from './postgres-tool.js';
import { readBack, type ReadBack } from './read-back.js';

/** Reads a backup's archive and judges it by its manifest. No finding: it is what was dumped, to the byte. */
export async function verifyArchive(
  storage: BackupStorage,
  name: string,
  manifest: Manifest,
  { pgRestore, signal }: { pgRestore: PostgresTool; signal: AbortSignal },
): Promise<VerificationFinding[]> {
  const named = nameFindings(name, manifest);
  if (!(await storage.head(archiveKey(name)))) {
    const details = `${archiveKey(name)} is not in ${storage.location}`;
    return [...named, { code: 'ARCHIVE_MISSING', details }];
  }
  const found = await readBack(storage, archiveKey(name), pgRestore, signal);
  return [...named, ...archiveFindings(manifest, found)];
}

function nameFindings(name: string, manifest: Manifest): VerificationFinding[] {
  if (manifest.name === name) return [];
  return [{ code: 'NAME_DIFFERS', details: `the manifest is that of ${manifest.name}` }];
}

/** What a read-back tells about the archive that a manifest describes. */
export function archiveFindings(
  expected: Pick<Manifest, 'bytes' | 'sha256'>,
  { bytes, sha256, fault }: ReadBack,
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
  return findings;
}
