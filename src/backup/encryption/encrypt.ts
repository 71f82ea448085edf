import { randomBytes } from 'node:crypto';
import type { EncryptionKey } from '../../config/encryption-keys.js';
import type { EncryptionSettings } from '../../config/settings.js';
import type { ArchiveEncryption } from '../backup.types.js';
import { DigestMeter } from '../verify/digest-meter.js';
import { passphraseRecipient, recipientsOf } from './keys.js';
import { encryptPayload, payloadKey } from './payload.js';

/** The bytes behind the header when nothing is encrypted: the nonce, and the tag of an empty piece. */
const EMPTY_PAYLOAD_BYTES = 32;

/** Encrypts a stream as an age file, which the `age` command can decrypt. */
export async function* encrypt(plain: AsyncIterable<Buffer>, key: EncryptionKey): AsyncGenerator<Buffer> {
  const { header, fileKey } = await newHeader(key);
  const nonce = randomBytes(16);
  yield Buffer.concat([header, nonce]);
  yield* encryptPayload(payloadKey(fileKey, nonce), plain);
}

/** Creates a header with a new file key. The library gives the key to recipients only, so a recipient is added that only keeps it. */
async function newHeader(key: EncryptionKey): Promise<{ header: Buffer; fileKey: Buffer }> {
  const { Encrypter } = await import('age-encryption');
  const encrypter = new Encrypter();
  if (key.kind === 'passphrase') encrypter.addRecipient(await passphraseRecipient(key.passphrase));
  else for (const recipient of key.recipients) encrypter.addRecipient(recipient);
  let fileKey: Buffer | undefined;
  encrypter.addRecipient({
    wrapFileKey: (given) => {
      fileKey = Buffer.from(given);
      return [];
    },
  });
  const file = await encrypter.encrypt(new Uint8Array());
  if (fileKey === undefined) throw new Error('age made a header without a file key');
  return { header: Buffer.from(file.subarray(0, -EMPTY_PAYLOAD_BYTES)), fileKey };
}

/** Encrypts one archive, if the settings say so. */
export class ArchiveEncryptor {
  private readonly plain = new DigestMeter();
  private readonly key: EncryptionKey | undefined;

  constructor({ enabled, key }: EncryptionSettings) {
    this.key = enabled ? key : undefined;
  }

  get isOn(): boolean {
    return this.key !== undefined;
  }

  /** Returns the stream to store. */
  through(plain: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    return this.key ? encrypt(this.plain.through(plain), this.key) : plain;
  }

  /** Returns how it was encrypted, for the manifest, after everything went through; null if it was not. */
  finish(): ArchiveEncryption | null {
    if (!this.key) return null;
    const { bytes: plainBytes } = this.plain;
    return { recipients: recipientsOf(this.key), plainBytes, plainSha256: this.plain.digest() };
  }
}
