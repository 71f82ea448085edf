import { createHash } from 'node:crypto';

/** Returns the identity of an alert: its code and its subject, never a number or a text. */
export function alertId({ code, subject }: { readonly code: string; readonly subject: string }): string {
  return digest(code, subject).slice(0, 16);
}

/** Returns a UUID (version 8) that the same parts always make, on every replica. */
export function uuidOf(...parts: readonly (string | number)[]): string {
  const hex = digest(...parts.map(String));
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}

function digest(...parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\0')).digest('hex');
}
