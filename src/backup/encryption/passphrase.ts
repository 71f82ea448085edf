import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import type { Identity, Recipient } from 'age-encryption';

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
