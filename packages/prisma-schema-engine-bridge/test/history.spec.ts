import { createHash } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createDatabase, PrismaApplication, query } from '../../../test/migrations/engine-application.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../../../test/support/throw-away-cluster.js';
import { applyMigrations, readMigrationList } from '../src/apply-migrations.js';
import { nodePostgresDatabase } from '../src/node-postgres.js';
import { SchemaEngine } from '../src/schema-engine.js';

const UNIX = 'CREATE TABLE a (\n  b integer\n);\n';
const WINDOWS = UNIX.replaceAll('\n', '\r\n');
const MIXED = UNIX.replace('\n', '\r\n');

const sha256 = (script: string) => createHash('sha256').update(script).digest('hex');

/** What Prisma counts as an edited migration, according to the engine itself. */
describe('Prisma’s checksum of a migration', () => {
  let own: ThrowAwayCluster;
  let application: PrismaApplication;
  let url: string;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own.cluster, 'history');
    application = new PrismaApplication(url);
  });
  afterAll(async () => {
    application.remove();
    await own.cluster.destroy();
  });
  beforeEach(async () => {
    await query(url, 'DROP SCHEMA public CASCADE; CREATE SCHEMA public');
  });

  const applied = async (script: string): Promise<string> => {
    application.addMigration('1_a', script);
    await applyMigrations({ database: nodePostgresDatabase(url), directory: application.migrations });
    const [row] = await query<{ checksum: string }>(url, 'SELECT checksum FROM _prisma_migrations');
    return row?.checksum ?? '';
  };

  const isEdited = async (script: string): Promise<boolean> => {
    application.addMigration('1_a', script);
    const migrationsList = await readMigrationList(application.migrations);
    const filters = { externalTables: [], externalEnums: [] };
    const engine = await SchemaEngine.open(nodePostgresDatabase(url));
    try {
      const { editedMigrationNames } = await engine.run((wasm) =>
        wasm.diagnoseMigrationHistory({ migrationsList, optInToShadowDatabase: false, filters }),
      );
      return editedMigrationNames.includes('1_a');
    } finally {
      await engine.close();
    }
  };

  it.each([
    ['Unix', UNIX],
    ['Windows', WINDOWS],
    ['mixed', MIXED],
  ])('is the SHA-256 of the script as it is, %s line endings included', async (_, script) => {
    expect(await applied(script)).toBe(sha256(script));
  });

  it.each([
    ['Unix', UNIX, 'Windows', WINDOWS],
    ['Windows', WINDOWS, 'Unix', UNIX],
    ['Unix', UNIX, 'mixed', MIXED],
  ])('matches when %s line endings became %s', async (_from, script, _to, converted) => {
    await applied(script);
    expect(await isEdited(converted)).toBe(false);
  });

  it('does not match mixed line endings made uniform: the file does not show the mixture', async () => {
    await applied(MIXED);
    expect([await isEdited(UNIX), await isEdited(WINDOWS)]).toEqual([true, true]);
  });

  it.each([
    ['a comment more', `${UNIX}-- edited\n`],
    ['a line end less', UNIX.trimEnd()],
    ['a byte order mark more', `\u{FEFF}${UNIX}`],
    ['a space more', UNIX.replace('(', ' (')],
  ])('does not match with %s', async (_, script) => {
    await applied(UNIX);
    expect(await isEdited(script)).toBe(true);
  });

  it('matches in the unpadded form that old releases of Prisma stored', async () => {
    // A checksum whose bytes are all 16 or more has no zeros to drop; look for a script that has.
    const script = Array.from({ length: 50 }, (_, index) => `${UNIX}-- ${index}\n`).find((text) =>
      /^(?:..)*0[^]/.test(sha256(text)),
    );
    const checksum = await applied(script ?? UNIX);
    const unpadded = checksum.replaceAll(/(..)/g, (byte) => Number.parseInt(byte, 16).toString(16));
    expect(unpadded.length).toBeLessThan(64);
    await query(url, `UPDATE _prisma_migrations SET checksum = '${unpadded}'`);
    expect(await isEdited(script ?? UNIX)).toBe(false);
  });
});
