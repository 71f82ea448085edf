import type { EncryptionKey } from '../../config/encryption-keys.js';
import type { EncryptionSettings } from '../../config/settings.js';
import type { ArchiveEncryption } from '../archive-encryption.js';
import { DigestMeter } from '../digest-meter.js';
import { recipientsOf } from './keys-here.js';
import { seal } from './seal.js';

/** Encrypts one stream where the settings want it, and tells afterwards how. */
export class Sealer {
  private readonly plain = new DigestMeter();
  private readonly key: EncryptionKey | undefined;

  constructor({ enabled, key }: EncryptionSettings) {
    this.key = enabled ? key : undefined;
  }

  get isOn(): boolean {
    return this.key !== undefined;
  }

  through(plain: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    return this.key ? seal(this.plain.through(plain), this.key) : plain;
  }

  /** What a manifest tells, after everything went through; null where nothing was encrypted. */
  finish(): ArchiveEncryption | null {
    if (!this.key) return null;
    const { bytes: plainBytes } = this.plain;
    return { recipients: recipientsOf(this.key), plainBytes, plainSha256: this.plain.digest() };
  }
}
