import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { beforeEach, describe, expect, it } from '@jest/globals';
import { findSchemaFiles } from '../../src/migrations/schema-files.js';

describe('the application’s Prisma schema', () => {
  let directory: string;
  const write = (file: string, text = ''): void => {
    mkdirSync(path.dirname(path.join(directory, file)), { recursive: true });
    writeFileSync(path.join(directory, file), text);
  };
  const found = async (migrations = 'prisma/migrations'): Promise<string[]> =>
    (await findSchemaFiles(path.join(directory, migrations))).map((file) => path.relative(directory, file));

  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-schema-'));
    mkdirSync(path.join(directory, 'prisma/migrations'), { recursive: true });
  });

  it('is not there', async () => {
    expect(await found()).toEqual([]);
    write('prisma.config.ts', `export default defineConfig({ schema: 'gone.prisma' });`);
    expect(await found()).toEqual([]);
  });

  it('lies beside the migrations', async () => {
    write('prisma/schema.prisma');
    write('prisma/old.prisma');
    expect(await found()).toEqual(['prisma/schema.prisma']);
  });

  it.each([
    [`schema: 'db/app.prisma'`],
    [`schema: "./db/app.prisma",`],
    [`schema: path.join('db', 'app.prisma'),`],
    [`schema: join(\n    'db',\n    'app.prisma',\n  ),`],
  ])('is the file that the configuration names: %j', async (line) => {
    write('prisma/schema.prisma');
    write('db/app.prisma');
    write(
      'prisma.config.ts',
      `export default defineConfig({\n  ${line}\n  migrations: { path: 'prisma/migrations' } });`,
    );
    expect(await found()).toEqual(['db/app.prisma']);
  });

  it('is every file of the directory that the configuration names', async () => {
    write('prisma/main.prisma');
    write('prisma/models/child.prisma');
    write('prisma/notes.txt');
    write('prisma.config.ts', `export default { schema: 'prisma' };`);
    expect(await found()).toEqual(['prisma/main.prisma', 'prisma/models/child.prisma']);
  });
});
