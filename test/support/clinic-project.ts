import { cpSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A copy of the clinic's schema and migrations without a Prisma configuration beside it: nothing is evaluated. */
export function clinicMigrations(): string {
  const directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-clinic-'));
  cpSync('examples/clinic/prisma', directory, { recursive: true });
  return path.join(directory, 'migrations');
}
