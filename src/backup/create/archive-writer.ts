import type { BackupSettings, Settings } from '../../config/settings.js';
import type { ArchiveEncryption } from '../backup.types.js';
import type { ArchiveKind } from '../catalog/backup-name.js';
import { ArchiveEncryptor } from '../encryption/encrypt.js';
import { findKeys, recipientsOf } from '../encryption/keys.js';
import { verifiedByPgRestore } from '../verify/verify-contents.js';
import { findTool, type PostgresTool } from '../postgres-tools.js';
import { gzipped, completeSql } from './plain-dump.js';

/** Transforms a program's output on its way into the storage. */
export interface DumpWriter {
  through(dump: AsyncIterable<Buffer>): AsyncIterable<Buffer>;
  /** Returns how it was encrypted, after everything went through. */
  finish(): ArchiveEncryption | null;
}

/** Passes an archive on, and fails if it is not complete. */
export type ArchiveCheck = (archive: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;

/** Writes one archive of a database. */
export class ArchiveWriter implements DumpWriter {
  readonly kind: ArchiveKind;
  private readonly encryptor: ArchiveEncryptor;

  constructor(
    { encryption, format }: Pick<BackupSettings, 'encryption' | 'format'>,
    /** For a plain dump; pg_dump compresses the custom format itself. */
    private readonly gzipLevel: number,
    /** Verifies the custom format before it is encrypted, if this machine cannot decrypt it afterwards. */
    private readonly check: ArchiveCheck,
  ) {
    this.encryptor = new ArchiveEncryptor(encryption);
    this.kind = { format, encryption: this.encryptor.isOn ? {} : null };
  }

  through(dump: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    const isCustom = this.kind.format === 'custom';
    return this.encryptor.through(
      isCustom ? this.check(dump) : gzipped(completeSql(dump, 'database'), this.gzipLevel),
    );
  }

  finish(): ArchiveEncryption | null {
    return this.encryptor.finish();
  }
}

/** Returns a check with pg_restore if this machine cannot decrypt the archive afterwards; otherwise one that does nothing. */
export async function archiveCheckFor(
  { major: atLeastMajor }: PostgresTool,
  { backup, searchPath }: Pick<Settings, 'backup' | 'searchPath'>,
  signal: AbortSignal,
): Promise<ArchiveCheck> {
  const { enabled, key } = backup.encryption;
  const found = enabled && key && (await findKeys('', recipientsOf(key), backup.encryption));
  if (!found || 'value' in found) return (archive) => archive;
  const pgRestore = await findTool({ program: 'pg_restore', atLeastMajor, searchPath });
  return (archive) => verifiedByPgRestore(archive, pgRestore, signal);
}
