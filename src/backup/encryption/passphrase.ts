import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import type { Identity, Recipient } from 'age-encryption';

const LABEL = 'age-encryption.org/v1/scrypt';
/** OWASP's figure for scrypt with r = 8: 128 MB for half a second. (`age` takes 18, and fills a small container.) */
const WORK_FACTOR = 17;
/** What opening is willing to work: 1 GB. A forged header could ask for any. */
const LARGEST_WORK_FACTOR = 20;
const FILE_KEY_BYTES = 16;
const TAG_BYTES = 16;

/**
 * age's passphrase stanza (https://age-encryption.org/v1, "The scrypt recipient type"), on Node's thread pool: the
 * library's own scrypt stops the event loop for a second.
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

/** The same the other way; null where it is not this passphrase. */
export function passphraseIdentity(passphrase: string): Identity {
  return {
    unwrapFileKey: async (stanzas) => {
      const [stanza] = stanzas;
      const [kind, salt = '', factor = ''] = stanza?.args ?? [];
      // The format has a passphrase be the only recipient: who forges a second one is not to be believed.
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
        // It does not authenticate: another passphrase.
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
