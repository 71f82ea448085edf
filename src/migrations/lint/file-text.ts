import { SourceText } from './source-text.js';

/** A file's text, or why it has none that PostgreSQL would take. */
export function readText(content: Uint8Array | string): SourceText | string {
  const text = typeof content === 'string' ? content : decode(content);
  if (text === undefined) {
    return 'The file is not UTF-8 text (UTF-16, as PowerShell writes it, or another encoding): PostgreSQL refuses it.';
  }
  if (text.includes('\0')) return 'The file holds a NUL byte: PostgreSQL reads no further, or refuses it.';
  return new SourceText(text);
}

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
