import type { EncryptionKey } from '../config/encryption-keys.js';
import type { BackupSettings } from '../config/settings.js';
import { KeepError } from '../errors.js';
import type { ArchiveKind } from './backup-name.js';
import type { ArchiveEncryption } from './backup.types.js';
import { DigestMeter } from './digest-meter.js';
import { ClosingLine, gzipped } from './plain-dump.js';
import { recipientsOf } from './seal/keys-here.js';
import { seal } from './seal/seal.js';

/** What one dump goes through on its way into the storage. */
export class ArchiveWriter {
  readonly kind: ArchiveKind;
  private readonly plain = new DigestMeter();
  private readonly key: EncryptionKey | undefined;

  constructor(
    { encryption, format }: Pick<BackupSettings, 'encryption' | 'format'>,
    /** Of a plain dump; pg_dump compresses its own format itself. */
    private readonly gzipLevel: number,
  ) {
    this.key = encryption.enabled ? encryption.key : undefined;
    this.kind = { format, encryption: this.key ? {} : null };
  }

  through(dump: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    const archive = this.kind.format === 'custom' ? dump : gzipped(whole(dump), this.gzipLevel);
    return this.key ? seal(this.plain.through(archive), this.key) : archive;
  }

  /** What the manifest tells, after everything went through. */
  finish(): ArchiveEncryption | null {
    if (!this.key) return null;
    const { bytes: plainBytes } = this.plain;
    return { recipients: recipientsOf(this.key), plainBytes, plainSha256: this.plain.digest() };
  }
}

async function* whole(sql: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const closing = new ClosingLine();
  yield* closing.watch(sql);
  if (closing.wasSeen) return;
  throw new KeepError(
    'BACKUP_FAILED',
    'pg_dump ended without its line "PostgreSQL database dump complete".',
    {
      hint: 'Nothing was kept. Run the backup again.',
    },
  );
}
