import type { Recording } from '../audit-log/audit-log.types.js';
import { manifestKey } from './backup-name.js';
import type { BackupReport, Manifest } from './backup.types.js';
import { omissionTexts } from './omission-texts.js';

/** What a run tells; that it is recorded is told by whoever records it. */
export type CommittedReport = Omit<BackupReport, keyof Recording>;

/** The report of a backup that is committed at a location. */
export function committedReport(
  { name, archive, bytes, sha256, tables, encryption, without, warnings = [] }: Manifest,
  location: string,
  told: Pick<BackupReport, 'cleared' | 'notChecked' | 'notes' | 'durationMs'>,
): CommittedReport {
  return {
    name,
    archive: `${location}/${archive}`,
    manifest: `${location}/${manifestKey(name)}`,
    bytes,
    sha256,
    tables: tables.length,
    rows: tables.reduce((sum, { rows }) => sum + rows, 0),
    encrypted: encryption !== null,
    without: omissionTexts(without),
    warnings,
    locations: [location],
    ...told,
  };
}
