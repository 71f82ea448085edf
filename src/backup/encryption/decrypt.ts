import type { Stanza } from 'age-encryption';
import { messageOf } from '../../core/errors.js';
import type { OpeningKeys } from './keys.js';
import { passphraseIdentity } from './passphrase.js';
import { decryptPayload, PassphraseRefused, payloadKey, SealBroken } from './payload.js';

const NONCE_BYTES = 16;
/** A header has some 100 bytes for each recipient; what goes on without an end is none. */
const LARGEST_HEADER = 65_536;
/** The last line of a header: the MAC. */
const HEADER_END = /^age-encryption\.org\/v1\n[^]*?\n--- [A-Za-z0-9+/]+\n/;

/**
 * Decrypts an age file, pgkeep's or the stock command's. What it yields is authenticated piece by piece: that
 * nothing is missing is known at its end only.
 * @throws SealBroken where it was changed or cut, PassphraseRefused.
 */
export async function* unseal(stored: AsyncIterable<Buffer>, keys: OpeningKeys): AsyncGenerator<Buffer> {
  const source = stored[Symbol.asyncIterator]();
  try {
    let begun = Buffer.alloc(0);
    let header: Buffer | undefined;
    while (header === undefined || begun.length < header.length + NONCE_BYTES) {
      const next = await source.next();
      if (next.done || (header === undefined && begun.length > LARGEST_HEADER)) {
        throw new SealBroken('age: it does not begin with the whole header of an encrypted file');
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

async function openHeader(header: Buffer, keys: OpeningKeys): Promise<Uint8Array> {
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
    throw isRefused ? new PassphraseRefused() : new SealBroken(`age: ${messageOf(error)}`);
  }
}

async function* continued(first: Buffer, rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
}
