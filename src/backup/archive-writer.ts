import type { EncryptionKey } from '../config/encryption-keys.js';
import type { EncryptionSettings } from '../config/settings.js';
import type { ArchiveKind } from './backup-name.js';
import type { ArchiveEncryption } from './backup.types.js';
import { DigestMeter } from './digest-meter.js';
import { recipientsOf } from './seal/keys-here.js';
import { seal } from './seal/seal.js';

/** What one dump goes through on its way into the storage. */
export class ArchiveWriter {
  readonly kind: ArchiveKind;
  private readonly plain = new DigestMeter();
  private readonly key: EncryptionKey | undefined;

  constructor({ enabled, key }: EncryptionSettings) {
    this.key = enabled ? key : undefined;
    this.kind = { format: 'custom', encryption: this.key ? {} : null };
  }

  through(dump: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    return this.key ? seal(this.plain.through(dump), this.key) : dump;
  }

  /** What the manifest tells, after everything went through. */
  finish(): ArchiveEncryption | null {
    if (!this.key) return null;
    const { bytes: plainBytes } = this.plain;
    return { recipients: recipientsOf(this.key), plainBytes, plainSha256: this.plain.digest() };
  }
}
