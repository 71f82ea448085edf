import { readFileSync } from 'node:fs';
import { get_dmmf as getDmmf } from '@prisma/prisma-schema-wasm';
import { describe, expect, it } from '@jest/globals';
import { readPrismaSchema } from '../../src/prisma-schema/read-prisma-schema.js';
import type { Field, Model } from '../../src/prisma-schema/prisma-schema.types.js';

/** A part of Prisma's DMMF of a schema. */
interface Dmmf {
  readonly datamodel: {
    readonly models: readonly {
      readonly name: string;
      readonly dbName: string | null;
      readonly schema: string | null;
      readonly primaryKey: { readonly fields: readonly string[] } | null;
      readonly uniqueFields: readonly (readonly string[])[];
      readonly fields: readonly {
        readonly name: string;
        readonly dbName?: string;
        readonly type: string;
        readonly isList: boolean;
        readonly isRequired: boolean;
        readonly isId: boolean;
        readonly isUnique: boolean;
        readonly isUpdatedAt?: boolean;
        readonly hasDefaultValue: boolean;
        readonly nativeType?: readonly [string, readonly string[]] | null;
        readonly relationFromFields?: readonly string[];
        readonly relationToFields?: readonly string[];
        readonly relationOnDelete?: string;
      }[];
    }[];
  };
}

const AWKWARD = `
datasource db {
  provider = "postgresql"
  schemas  = ["public", "billing ä"]
}

/* model Hidden { id Int @id } */
enum Färbe_1 {
  RED @map("r{e}d") // }
  BLUE

  @@schema("public")
}

model Person { // a comment behind the brace
  a    Int
  b    String  @default("// no comment, \\"quoted\\" } ]") @map("b \\"x\\"")
  c    Färbe_1 @default(RED)
  when DateTime @default(dbgenerated("now() AT TIME ZONE 'utc'")) @db.Timestamptz(3)
  list String[] @default(["a", "b]"])
  geo  Unsupported("geometry(Point, 4326)")?
  mail String? @unique(map: "m", sort: Desc) @db.VarChar(254)
  updated DateTime @updatedAt
  boss   Person? @relation("Boss", fields: [bossA, bossB], references: [a, b], onDelete: SetNull, onUpdate: NoAction)
  bossA  Int?
  bossB  String?
  staff  Person[] @relation("Boss")
  bill   Bill?

  @@id([a, b], name: "both")
  @@unique(fields: [c, when(sort: Desc)], name: "u")
  @@index([mail(ops: raw("text_pattern_ops"))], type: BTree)
  @@map(name: "people")
  @@schema("public")
}

model Bill {
  id     String @id @default(uuid()) @db.Uuid
  a      Int
  b      String
  owner  Person @relation(fields: [a, b], references: [a, b], onDelete: Cascade)
  amount Decimal @db.Decimal(10, 2)
  @@unique([a, b])
  @@map("Bill ""s")
  @@schema("billing ä")
}
`.replaceAll('""', '\\"');

describe('readPrismaSchema', () => {
  it.each([
    ['the clinic', readFileSync('examples/clinic/prisma/schema.prisma', 'utf8')],
    ['pgkeep’s own', readFileSync('prisma/schema.prisma', 'utf8')],
    ['one with everything', AWKWARD],
  ])('reads the same as Prisma: %s', (_name, text) => {
    const { models } = readPrismaSchema([{ path: 'schema.prisma', text }]);
    const dmmf: Dmmf = JSON.parse(getDmmf(JSON.stringify({ prismaSchema: [['schema.prisma', text]] })));
    expect([...models.values()].map(comparable)).toEqual(dmmf.datamodel.models.map(expected));
  });

  it('reads annotations before a model or field and on its line, with their places', () => {
    const text = `
/// People. @pgkeep.subject
/// @pgkeep.retain("medical record, \\"25\\" (years)") and @pgkeep.neverDelete
model A { /// @pgkeep.corrections
  id Int @id
  // @pgkeep.personal: not a documentation comment
  /// Before. @pgkeep.personal(name)
  name String /// @pgkeep.immutable
}
/// @pgkeep.readOnly
enum E { X }
model B { id Int @id }`;
    const { models } = readPrismaSchema([{ path: 'a.prisma', text }]);
    const [a, b] = [models.get('A'), models.get('B')];
    expect(a?.annotations).toEqual([
      { name: 'subject', args: [], path: 'a.prisma', line: 2 },
      { name: 'retain', args: ['medical record, \\"25\\" (years)'], path: 'a.prisma', line: 3 },
      { name: 'neverDelete', args: [], path: 'a.prisma', line: 3 },
    ]);
    expect(a?.fields.map(({ name, annotations }) => [name, annotations])).toEqual([
      ['id', [{ name: 'corrections', args: [], path: 'a.prisma', line: 4 }]],
      [
        'name',
        [
          { name: 'personal', args: ['name'], path: 'a.prisma', line: 7 },
          { name: 'immutable', args: [], path: 'a.prisma', line: 8 },
        ],
      ],
    ]);
    expect(b?.annotations).toEqual([]);
  });

  it('joins the files of a schema, and never fails on text that is not valid', () => {
    const { models } = readPrismaSchema([
      { path: 'a.prisma', text: 'model A { id Int @id\n b B? }' },
      {
        path: 'b.prisma',
        text: 'model B { id Int @id\n a A @relation(fields: [aId], references: [id])\n aId Int @unique }',
      },
      { path: 'c.prisma', text: '}}} model ( @@ "unterminated \n model C { x\n @\n @@\n y Int @default( }' },
    ]);
    expect([...models.keys()]).toEqual(['A', 'B', 'C']);
    expect(models.get('A')?.fields[1]?.relation).toEqual({ fields: [], references: [], onDelete: undefined });
    expect(models.get('B')?.fields[1]?.relation).toEqual({
      fields: ['aId'],
      references: ['id'],
      onDelete: undefined,
    });
  });
});

function comparable({ name, table, schema, id, uniques, fields }: Model): object {
  return {
    name,
    table,
    schema: schema ?? null,
    id,
    uniques: uniques.map((unique) => unique.join()).toSorted(),
    // Prisma's DMMF omits what it does not support.
    fields: fields.filter(({ type }) => type !== 'Unsupported').map(comparableField),
  };
}

function comparableField({
  name,
  type,
  isList,
  isOptional,
  column,
  isUpdatedAt,
  hasDefault,
  ...field
}: Field): object {
  const { nativeType = null, relation } = field;
  return {
    name,
    type,
    isList,
    isOptional,
    column,
    isUpdatedAt,
    hasDefault,
    nativeType,
    relation: relation && { ...relation, onDelete: relation.onDelete ?? null },
  };
}

function expected({
  name,
  dbName,
  schema,
  primaryKey,
  uniqueFields,
  fields,
}: Dmmf['datamodel']['models'][number]): object {
  const id = primaryKey?.fields ?? fields.filter(({ isId }) => isId).map((field) => field.name);
  const uniques = [
    ...fields.filter(({ isUnique }) => isUnique).map((field) => [field.name]),
    ...uniqueFields,
  ];
  return {
    name,
    table: dbName ?? name,
    schema,
    id,
    uniques: uniques.map((unique) => unique.join()).toSorted(),
    fields: fields.map((field) => ({
      name: field.name,
      type: field.type.startsWith('Unsupported') ? 'Unsupported' : field.type,
      isList: field.isList,
      isOptional: !field.isRequired && !field.isList,
      column: field.dbName ?? field.name,
      isUpdatedAt: field.isUpdatedAt === true,
      hasDefault: field.hasDefaultValue,
      nativeType: field.nativeType
        ? `${field.nativeType[0]}${field.nativeType[1].length > 0 ? `(${field.nativeType[1].join(', ')})` : ''}`
        : null,
      relation: field.relationFromFields
        ? {
            fields: field.relationFromFields,
            references: field.relationToFields ?? [],
            onDelete: field.relationOnDelete ?? null,
          }
        : undefined,
    })),
  };
}
