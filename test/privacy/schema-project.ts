import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Makes a directory with a Prisma schema. @returns its migrations directory, for MIGRATIONS_DIR. */
export function projectWith(schema: string): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-schema-'));
  mkdirSync(path.join(directory, 'prisma/migrations'), { recursive: true });
  writeFileSync(path.join(directory, 'prisma/schema.prisma'), schema);
  return path.join(directory, 'prisma/migrations');
}
