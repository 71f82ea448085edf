import { open } from 'node:fs/promises';
import { KeepError } from '../errors.js';

/** What the first bytes say: a file from elsewhere may be called anything. @throws KeepError `USAGE_INVALID`. */
export async function formatOf(file: string): Promise<'custom' | 'plain'> {
  const beginning = (await firstBytes(file, 18)).toString('latin1');
  if (beginning === 'age-encryption.org') {
    throw new KeepError(
      'USAGE_INVALID',
      `${file} is encrypted, and has no manifest beside it that says how.`,
      {
        hint: 'Put its manifest beside it, or decrypt it first: `age --decrypt --output FILE.dump FILE.dump.age`.',
      },
    );
  }
  return beginning.startsWith('PGDMP') ? 'custom' : 'plain';
}

async function firstBytes(file: string, count: number): Promise<Buffer> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(count), 0, count, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** Quoted, because a bare name could itself be read as a connection string. */
export function connectionString(database: string): string {
  return `dbname='${database.replaceAll(/[\\']/g, String.raw`\$&`)}'`;
}
