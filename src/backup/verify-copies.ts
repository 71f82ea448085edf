import { PgkeepError } from '../core/errors.js';
import type { BackupCopy, UnreadableCopy } from './backup-catalogue.js';
import type { CopyFinding, Manifest, VerificationReport } from './backup.types.js';
import { omissionTexts } from './omission-texts.js';
import type { ArchiveVerdict } from './verify-archive.js';

/** Verifies every copy of a backup. One that cannot be read is not known to be good: that is a finding, too. */
export async function verifyCopies(
  { name, without }: Pick<Manifest, 'name' | 'without'>,
  copies: AsyncIterable<BackupCopy | UnreadableCopy>,
  verify: (copy: BackupCopy) => Promise<ArchiveVerdict>,
): Promise<VerificationReport> {
  const findings: CopyFinding[] = [];
  const locations: string[] = [];
  // One key is missing once, however many copies it closes.
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
    // The directory's own disk, an interruption, a missing tool: nothing that a verdict could be made of.
    if (!(error instanceof PgkeepError) || copy.storage.pathOf !== undefined) throw error;
    if (error.code === 'BACKUP_TOOLS_MISSING') throw error;
    return unreadable(error);
  }
}

function unreadable({ message }: PgkeepError): ArchiveVerdict {
  const details = message.replace(/\.$/, '');
  return { findings: [{ code: 'COPY_UNREADABLE', details }], notChecked: [] };
}
