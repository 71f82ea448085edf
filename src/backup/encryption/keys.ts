import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import type { Identity, Recipient } from 'age-encryption';
import type { EncryptionKey } from '../../config/encryption-keys.js';
import type { EncryptionSettings } from '../../config/settings.js';
import { PgkeepError } from '../../core/errors.js';
import type { Known } from '../../core/known.js';

/** The keys that decrypt an age file. */
export type DecryptionKeys =
  | { readonly kind: 'identities'; readonly identities: readonly string[] }
  | { readonly kind: 'passphrase'; readonly passphrase: string };

/** The recipient in the manifest of an archive that was encrypted with a passphrase. */
const PASSPHRASE = 'passphrase';

/** Returns the recipients for the manifest: who can decrypt the archive, without any secret. */
export function recipientsOf(key: EncryptionKey): readonly string[] {
  return key.kind === 'passphrase' ? [PASSPHRASE] : key.recipients;
}

/** Finds the configured keys for an archive, or why there are none. Whether a passphrase is the right one is known only when the archive is decrypted. */
export async function findKeys(
  archive: string,
  recipients: readonly string[],
  { key, identities }: EncryptionSettings,
): Promise<Known<DecryptionKeys, PgkeepError>> {
  if (recipients.includes(PASSPHRASE)) {
    if (key?.kind === 'passphrase') return { value: key };
    const message = `${archive} is encrypted with a passphrase, and none is set.`;
    const hint = 'Set BACKUP_ENCRYPTION_KEY (or BACKUP_ENCRYPTION_KEY_FILE) to that passphrase.';
    return { reason: new PgkeepError('BACKUP_KEY_MISSING', message, { hint }) };
  }
  const hint = `Set BACKUP_ENCRYPTION_IDENTITY (or BACKUP_ENCRYPTION_IDENTITY_FILE) to the AGE-SECRET-KEY-1… of ${recipients.join(' or ')}. It can hold several keys.`;
  if (identities.length === 0) {
    const message = `${archive} is encrypted, and no key is set to decrypt it.`;
    return { reason: new PgkeepError('BACKUP_KEY_MISSING', message, { hint }) };
  }
  const { identityToRecipient } = await import('age-encryption');
  const own = await Promise.all(identities.map((identity) => identityToRecipient(identity)));
  const matching = identities.filter((_, index) => recipients.includes(own[index] ?? ''));
  if (matching.length > 0) return { value: { kind: 'identities', identities: matching } };
  const message = `${archive} is encrypted for other keys than those in BACKUP_ENCRYPTION_IDENTITY.`;
  return { reason: new PgkeepError('BACKUP_KEY_WRONG', message, { hint }) };
}

/** Of the stanza in an archive that is encrypted with a passphrase. */
const LABEL = 'age-encryption.org/v1/scrypt';

/** OWASP's recommendation for scrypt with r = 8: 128 MB for half a second. (`age` uses 18, too much for a small container.) */
const WORK_FACTOR = 17;

/** The limit when decrypting, 1 GB: a forged header could ask for any amount. */
const LARGEST_WORK_FACTOR = 20;

const FILE_KEY_BYTES = 16;

const TAG_BYTES = 16;

/**
 * Returns the recipient of age's passphrase stanza (https://age-encryption.org/v1, "The scrypt recipient type"). It
 * runs on Node's thread pool: the library's scrypt blocks the event loop for a second.
 */
export async function passphraseRecipient(passphrase: string): Promise<Recipient> {
  const { Stanza } = await import('age-encryption');
  return {
    wrapFileKey: async (fileKey) => {
      const salt = randomBytes(16);
      const cipher = createCipheriv(
        'chacha20-poly1305',
        await stretched(passphrase, salt, WORK_FACTOR),
        Buffer.alloc(12),
        { authTagLength: TAG_BYTES },
      );
      const body = Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
      return [new Stanza(['scrypt', base64(salt), String(WORK_FACTOR)], body)];
    },
  };
}

/** Returns the identity that decrypts such a stanza; its result is null if the passphrase is another one. */
export function passphraseIdentity(passphrase: string): Identity {
  return {
    unwrapFileKey: async (stanzas) => {
      const [stanza] = stanzas;
      const [kind, salt = '', factor = ''] = stanza?.args ?? [];
      // In this format a passphrase is the only recipient: a second stanza is forged.
      if (stanza === undefined || stanzas.length !== 1 || kind !== 'scrypt') return null;
      if (!/^[1-9]\d?$/.test(factor) || Number(factor) > LARGEST_WORK_FACTOR) return null;
      if (stanza.body.length !== FILE_KEY_BYTES + TAG_BYTES) return null;
      const key = await stretched(passphrase, Buffer.from(salt, 'base64'), Number(factor));
      const decipher = createDecipheriv('chacha20-poly1305', key, Buffer.alloc(12), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAuthTag(stanza.body.subarray(FILE_KEY_BYTES));
      const fileKey = decipher.update(stanza.body.subarray(0, FILE_KEY_BYTES));
      try {
        decipher.final();
        return fileKey;
      } catch {
        // Authentication failed: it is another passphrase.
        return null;
      }
    },
  };
}

async function stretched(passphrase: string, salt: Buffer, factor: number): Promise<Buffer> {
  const options = { N: 2 ** factor, r: 8, p: 1, maxmem: 2 ** factor * 1024 + 2 ** 20 };
  return await new Promise((resolve, reject) => {
    scrypt(passphrase, Buffer.concat([Buffer.from(LABEL), salt]), 32, options, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    });
  });
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '');
}
