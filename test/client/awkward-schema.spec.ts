import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PrismaPg } from '@prisma/adapter-pg';
import { pgkeepGuard } from '../../src/client.js';
import { call } from '../../src/client/prisma-client.js';
import { propertyOf } from '../../src/core/errors.js';
import { InstallService } from '../../src/install/install.service.js';
import { withApp } from '../support/app.js';
import { createDatabase, query } from '../support/clinic.js';
import { applyRules, rulesOf } from '../support/policy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

/** Keys of several columns, a cascade in a circle, names that need quotes, a many-to-many relation, a field `data`. */
const MODELS = `
model folder_Tree {
  tenant       String
  number       BigInt
  parentTenant String?
  parentNumber BigInt?
  data         Json?
  deletedAt    DateTime?     @map("gone at")
  deletedBy    Int?
  parent       folder_Tree?  @relation("Tree", fields: [parentTenant, parentNumber], references: [tenant, number], onDelete: Cascade)
  children     folder_Tree[] @relation("Tree")
  notes        Note[]

  @@id([tenant, number], name: "key")
  @@map("Folder Ünï")
}

model Note {
  id           BigInt       @id @default(autoincrement())
  text         String       @unique
  data         String?
  folderTenant String?
  folderNumber BigInt?
  deletedAt    DateTime?
  folder       folder_Tree? @relation(fields: [folderTenant, folderNumber], references: [tenant, number])
  tags         Tag[]
}

model Tag {
  id        Int       @id @default(autoincrement())
  name      String    @unique
  deletedAt DateTime?
  notes     Note[]
}
`;

const TABLES = `
CREATE TABLE "Folder Ünï" ("tenant" text NOT NULL, "number" bigint NOT NULL, "parentTenant" text, "parentNumber" bigint,
  "data" jsonb, "gone at" timestamp(3), "deletedBy" int, PRIMARY KEY ("tenant", "number"),
  FOREIGN KEY ("parentTenant", "parentNumber") REFERENCES "Folder Ünï" ON DELETE CASCADE);
CREATE TABLE "Note" ("id" bigserial PRIMARY KEY, "text" text NOT NULL UNIQUE, "data" text, "folderTenant" text,
  "folderNumber" bigint, "deletedAt" timestamp(3),
  FOREIGN KEY ("folderTenant", "folderNumber") REFERENCES "Folder Ünï" ON DELETE SET NULL);
CREATE TABLE "Tag" ("id" serial PRIMARY KEY, "name" text NOT NULL UNIQUE, "deletedAt" timestamp(3));
CREATE TABLE "_NoteToTag" ("A" bigint REFERENCES "Note" ON DELETE CASCADE, "B" int REFERENCES "Tag" ON DELETE CASCADE,
  PRIMARY KEY ("A", "B"));`;

/** Inside node_modules, so that the generated client finds Prisma's runtime. */
const CACHE = path.resolve('node_modules/.cache');

describe('the guard on an awkward schema', () => {
  let own: ThrowAwayCluster;
  let directory: string;
  let bare: unknown;
  let prisma: unknown;

  /** `ask('tag.count', args)` */
  const ask = async (path_: string, args: unknown, client = prisma): Promise<unknown> => {
    const [model = '', operation = ''] = path_.split('.');
    return await call(propertyOf(client, model), operation, args);
  };
  const folder = (number: bigint) => ({ key: { tenant: 'A', number } });
  const softDelete = async (verb: string, ...args: unknown[]): Promise<unknown> =>
    await call(propertyOf(prisma, 'softDelete'), verb, ...args);

  beforeAll(async () => {
    mkdirSync(CACHE, { recursive: true });
    directory = mkdtempSync(path.join(CACHE, 'pgkeep-awkward-'));
    const schema = path.join(directory, 'schema.prisma');
    writeFileSync(
      schema,
      `generator client {\n  provider = "prisma-client-js"\n  output = "${directory}/client"\n}\ndatasource db {\n  provider = "postgresql"\n}\n${MODELS}`,
    );
    const generate = [path.resolve('node_modules/prisma/build/index.js'), 'generate', '--schema', schema];
    execFileSync(process.execPath, generate, {
      env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1' },
    });
    own = await startThrowAwayCluster({ tls: false });
    const url = await createDatabase(own, 'awkward');
    await query(url, TABLES);
    await withApp(url, (app) => app.get(InstallService).install());
    await applyRules(url, rulesOf(MODELS));
    const generated: unknown = await import(path.join(directory, 'client/index.js'));
    const PrismaClient = propertyOf(generated, 'PrismaClient');
    if (typeof PrismaClient !== 'function') throw new Error('Prisma generated no client.');
    bare = Reflect.construct(PrismaClient, [{ adapter: new PrismaPg({ connectionString: url }) }]);
    prisma = call(bare, '$extends', pgkeepGuard({ actor: () => '7' }));
    await ask('folder_Tree.create', {
      data: {
        tenant: 'A',
        number: 1n,
        children: {
          create: [
            { tenant: 'A', number: 2n, children: { create: { tenant: 'A', number: 3n } } },
            { tenant: 'A', number: 4n },
          ],
        },
        notes: { create: [{ text: 'n1', tags: { create: [{ name: 'x' }, { name: 'y' }] } }, { text: 'n2' }] },
      },
    });
    await ask('folder_Tree.update', { where: folder(4n), data: { deletedAt: new Date(5) } }, bare);
    await ask('tag.update', { where: { name: 'y' }, data: { deletedAt: new Date(5) } }, bare);
    await ask('note.update', { where: { text: 'n2' }, data: { deletedAt: new Date(5) } }, bare);
  });

  afterAll(async () => {
    if (bare !== undefined) await call(bare, '$disconnect');
    await own?.cluster.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  it('hides rows of a self reference and of a many-to-many relation', async () => {
    const found = await ask('folder_Tree.findUnique', {
      where: folder(1n),
      select: {
        children: { select: { number: true } },
        notes: { select: { text: true, tags: { select: { name: true } }, _count: true } },
        _count: true,
      },
    });
    expect(found).toEqual({
      children: [{ number: 2n }],
      notes: [{ text: 'n1', tags: [{ name: 'x' }], _count: { tags: 1 } }],
      _count: { children: 1, notes: 1 },
    });
    expect(await ask('note.count', { where: { tags: { some: { name: 'y' } } } })).toBe(0);
    await expect(
      ask('note.update', { where: { text: 'n1' }, data: { tags: { set: [{ name: 'y' }] } } }),
    ).rejects.toThrow('Expected 1 records to be connected, found only 0.');
  });

  it('reads a page behind a hidden row with a key of two fields', async () => {
    const args = { skip: 1, orderBy: [{ tenant: 'desc' }, { number: 'desc' }], select: { number: true } };
    expect(await ask('folder_Tree.findMany', { ...args, cursor: folder(4n) })).toEqual([
      { number: 3n },
      { number: 2n },
      { number: 1n },
    ]);
    expect(await ask('folder_Tree.findMany', { ...args, cursor: folder(3n) })).toEqual([
      { number: 2n },
      { number: 1n },
    ]);
  });

  it('takes a field named data for a field, and not for the data of an update', async () => {
    const update = (value: unknown) =>
      ask('note.update', {
        where: { text: 'n1' },
        data: { folder: { update: value } },
        select: { folder: { select: { data: true } } },
      });
    expect(await update({ data: { a: 1 } })).toEqual({ folder: { data: { a: 1 } } });
    expect(await update({ data: { data: { b: 2 } } })).toEqual({ folder: { data: { b: 2 } } });
    expect(await update({ where: { tenant: 'A' }, data: { data: { c: 3 } } })).toEqual({
      folder: { data: { c: 3 } },
    });
  });

  it('leaves a circle of cascades to the verb, which follows it and comes back', async () => {
    expect(() => call(propertyOf(prisma, 'folder_Tree'), 'delete', { where: folder(1n) })).toThrow(
      'pgkeep: DELETE of folder_Tree is refused: its foreign keys cascade in a circle',
    );
    const root = { tenant: 'A', number: 1n };
    expect(await softDelete('softDelete', 'folder_Tree', root)).toMatchObject({ rows: { folder_Tree: 3 } });
    expect(await ask('folder_Tree.count', {})).toBe(0);
    await expect(softDelete('softDelete', 'folder_Tree', root)).rejects.toThrow(
      'Refused to soft-delete folder_Tree A,1: it is marked as deleted already. Nothing was changed.',
    );
    expect(await softDelete('restore', 'folder_Tree', root)).toMatchObject({ rows: { folder_Tree: 3 } });
    expect(await ask('folder_Tree.count', {})).toBe(3);
    await expect(softDelete('softDelete', 'folder_Tree', 1n)).rejects.toThrow(
      'The key of folder_Tree is tenant, number, and was not given.',
    );
  });

  it('marks by a nested delete, with who did it as a number', async () => {
    await ask('folder_Tree.update', { where: folder(2n), data: { children: { delete: folder(3n) } } });
    expect(await ask('folder_Tree.findUnique', { where: folder(3n) }, bare)).toMatchObject({
      deletedAt: expect.any(Date),
      deletedBy: 7,
    });
  });

  it('explains a value that a row with a large key has', async () => {
    await expect(ask('note.create', { data: { text: 'n2' } })).rejects.toThrow(
      "prisma.softDelete.restore('Note', 2n)",
    );
    await expect(ask('folder_Tree.create', { data: { tenant: 'A', number: 4n } })).rejects.toThrow(
      'folder_Tree.tenant, folder_Tree.number: a folder_Tree that was soft-deleted on 1970-01-01 has this value',
    );
  });

  it.each([
    ['where', null],
    ['where', 'x'],
    ['where', []],
    ['include', 'x'],
    ['select', 7],
  ])('leaves it to Prisma to reject arguments that are none: %s: %j', async (name, value) => {
    await expect(ask('note.findMany', { [name]: value })).rejects.toThrow(
      /Argument|Please either use|Unknown|select|include/,
    );
    await expect(ask('note.findMany', { [name]: value }, bare)).rejects.toThrow(
      /Argument|Please either use|Unknown|select|include/,
    );
  });
});
