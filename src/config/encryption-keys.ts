/** A shorter passphrase can be guessed. */
const SHORTEST_PASSPHRASE = 12;

/** What archives are encrypted with. */
export type EncryptionKey =
  | { readonly kind: 'recipients'; readonly recipients: readonly string[] }
  | { readonly kind: 'passphrase'; readonly passphrase: string };

/**
 * Parses `BACKUP_ENCRYPTION_KEY`: age recipients separated by commas, spaces or newlines, or else a passphrase.
 * @throws Error that completes "must be …: "; it never quotes the value.
 */
export function parseEncryptionKey(text: string): EncryptionKey {
  const words = wordsOf(text);
  if (words.some((word) => /^age-secret-key-/i.test(word))) {
    throw new Error(
      'it contains a secret key (AGE-SECRET-KEY-…), which belongs in BACKUP_ENCRYPTION_IDENTITY; the public key begins with age1',
    );
  }
  if (!words.some((word) => /^age1/i.test(word))) {
    if (text.length >= SHORTEST_PASSPHRASE) return { kind: 'passphrase', passphrase: text };
    throw new Error('it is too short');
  }
  const wrong = words.findIndex((word) => !isBech32Key(word, 'age'));
  if (wrong < 0) return { kind: 'recipients', recipients: words.map((word) => word.toLowerCase()) };
  throw new Error(
    `recipient ${wrong + 1} of ${words.length} is not a complete age1… key (a character is wrong or missing, or it is not an X25519 key)`,
  );
}

/**
 * Parses `BACKUP_ENCRYPTION_IDENTITY`: one or more secret keys. The file that `age-keygen` writes is accepted as it is.
 * @throws Error that completes "must be …: "; it never quotes the value.
 */
export function parseIdentities(text: string): readonly string[] {
  const words = wordsOf(text);
  const wrong = words.findIndex((word) => !isBech32Key(word, 'age-secret-key-'));
  if (wrong < 0 && words.length > 0) return words.map((word) => word.toUpperCase());
  throw new Error(
    words.some((word) => /^age1/i.test(word))
      ? 'it contains a public key (age1…), which belongs in BACKUP_ENCRYPTION_KEY'
      : `key ${wrong + 1} of ${words.length} is not complete (a character is wrong or missing)`,
  );
}

/** Splits a text into words without the comments of `age-keygen`, which begin with #. */
function wordsOf(text: string): string[] {
  const lines = text.split('\n').filter((line) => !line.startsWith('#'));
  return lines
    .join('\n')
    .split(/[\s,]+/)
    .filter((word) => word !== '');
}

const CHARACTERS = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';

const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];

/**
 * Returns whether a text is 32 bytes in Bech32 (BIP 173) with this prefix and a correct checksum. A typing error in a
 * key must be reported at the start, and the age library is loaded only when an archive is encrypted or decrypted.
 */
function isBech32Key(text: string, prefix: string): boolean {
  if (text !== text.toLowerCase() && text !== text.toUpperCase()) return false;
  const lower = text.toLowerCase();
  if (!lower.startsWith(`${prefix}1`)) return false;
  const data = Array.from(lower.slice(prefix.length + 1), (character) => CHARACTERS.indexOf(character));
  // 52 characters of five bits, and six of checksum.
  if (data.length !== 58 || data.includes(-1)) return false;
  const codes = Array.from(prefix, (character) => character.codePointAt(0) ?? 0);
  return checksum([...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31), ...data]) === 1;
}

function checksum(values: readonly number[]): number {
  let sum = 1;
  for (const value of values) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ value;
    for (const [bit, part] of GENERATOR.entries()) if ((top >> bit) & 1) sum ^= part;
  }
  return sum;
}
