import type { Stanza } from 'age-encryption';
import { messageOf } from '../../core/errors.js';
import { type DecryptionKeys, passphraseIdentity } from './keys.js';
import { DecryptionFailed, decryptPayload, payloadKey, WrongPassphrase } from './payload.js';

const NONCE_BYTES = 16;
/** A header has about 100 bytes for each recipient; longer than this, it is no header. */
const LARGEST_HEADER = 65_536;
/** The last line of a header: the MAC. */
const HEADER_END = /^age-encryption\.org\/v1\n[^]*?\n--- [A-Za-z0-9+/]+\n/;

/**
 * Decrypts an age file, of pgkeep or of the `age` command. Each piece that it yields is authenticated; whether the end
 * is missing is known only at the end.
 * @throws DecryptionFailed if it was changed or truncated, WrongPassphrase.
 */
export async function* decrypt(stored: AsyncIterable<Buffer>, keys: DecryptionKeys): AsyncGenerator<Buffer> {
  const source = stored[Symbol.asyncIterator]();
  try {
    let begun = Buffer.alloc(0);
    let header: Buffer | undefined;
    while (header === undefined || begun.length < header.length + NONCE_BYTES) {
      const next = await source.next();
      if (next.done || (header === undefined && begun.length > LARGEST_HEADER)) {
        throw new DecryptionFailed('age: the header of an encrypted file is missing or incomplete');
      }
      begun = Buffer.concat([begun, next.value]);
      header ??= headerOf(begun);
    }
    const fileKey = await openHeader(header, keys);
    const nonce = begun.subarray(header.length, header.length + NONCE_BYTES);
    const rest = begun.subarray(header.length + NONCE_BYTES);
    yield* decryptPayload(payloadKey(fileKey, nonce), continued(rest, source));
  } finally {
    await source.return?.();
  }
}

function headerOf(begun: Buffer): Buffer | undefined {
  const length = HEADER_END.exec(begun.toString('latin1'))?.[0].length;
  return length === undefined ? undefined : begun.subarray(0, length);
}

async function openHeader(header: Buffer, keys: DecryptionKeys): Promise<Uint8Array> {
  const { Decrypter } = await import('age-encryption');
  const decrypter = new Decrypter();
  let isRefused = false;
  if (keys.kind === 'identities') for (const identity of keys.identities) decrypter.addIdentity(identity);
  else {
    const identity = passphraseIdentity(keys.passphrase);
    decrypter.addIdentity({
      unwrapFileKey: async (stanzas: Stanza[]) => {
        const fileKey = await identity.unwrapFileKey(stanzas);
        isRefused = fileKey === null;
        return fileKey;
      },
    });
  }
  try {
    return await decrypter.decryptHeader(header);
  } catch (error) {
    throw isRefused ? new WrongPassphrase() : new DecryptionFailed(`age: ${messageOf(error)}`);
  }
}

async function* continued(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}
