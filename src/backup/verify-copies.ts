import { KeepError } from '../errors.js';
import type { BackupCopy, UnreadableCopy } from './backup-catalogue.js';
import type { CopyFinding, VerificationFinding, VerificationReport } from './backup.types.js';

/** Verifies every copy of a backup. One that cannot be read is not known to be good: that is a finding, too. */
export async function verifyCopies(
  name: string,
  copies: AsyncIterable<BackupCopy | UnreadableCopy>,
  verify: (copy: BackupCopy) => Promise<readonly VerificationFinding[]>,
): Promise<VerificationReport> {
  const findings: CopyFinding[] = [];
  const locations: string[] = [];
  for await (const copy of copies) {
    const { location } = copy.storage;
    locations.push(location);
    for (const finding of await findingsOf(copy, verify)) findings.push({ ...finding, location });
  }
  return { name, verdict: findings.length === 0 ? 'passed' : 'failed', findings, locations };
}

async function findingsOf(
  copy: BackupCopy | UnreadableCopy,
  verify: (copy: BackupCopy) => Promise<readonly VerificationFinding[]>,
): Promise<readonly VerificationFinding[]> {
  if ('error' in copy) return [unreadable(copy.error)];
  try {
    return await verify(copy);
  } catch (error) {
    // The directory's own disk, an interruption, a missing tool: nothing that a verdict could be made of.
    if (!(error instanceof KeepError) || copy.storage.pathOf !== undefined) throw error;
    return [unreadable(error)];
  }
}

function unreadable({ message }: KeepError): VerificationFinding {
  return { code: 'COPY_UNREADABLE', details: message.replace(/\.$/, '') };
}
