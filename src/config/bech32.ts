const CHARACTERS = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];

/**
 * Whether a text is 32 bytes in Bech32 (BIP 173) under this prefix, its checksum right: an age key with a typing
 * error must be told at the start, and age itself is loaded only by who needs it.
 */
export function isBech32Key(text: string, prefix: string): boolean {
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
