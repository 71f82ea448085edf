/** A file of the application's Prisma schema. A schema may have several. */
export interface SchemaFile {
  /** Its path, as messages name it. */
  readonly path: string;
  readonly text: string;
}

/** A place in a schema file: `schema.prisma:12`. */
export interface Place {
  readonly path: string;
  /** From 1. */
  readonly line: number;
}

/** A `@pgkeep.NAME(arguments)` in a documentation comment (`///`) of a model, a field or the datasource. */
export interface Annotation extends Place {
  /** The word after `@pgkeep.`. */
  readonly name: string;
  /** Without quotes; empty if there are none. */
  readonly args: readonly string[];
}

/** A relation field's `@relation`, on the side that has the foreign key. */
export interface Relation {
  /** Names of the fields that hold the foreign key; empty on the other side of the relation. */
  readonly fields: readonly string[];
  /** Names of the fields that it refers to. */
  readonly references: readonly string[];
  /** `Cascade`, `Restrict`, `NoAction`, `SetNull` or `SetDefault`; undefined if Prisma's default applies. */
  readonly onDelete: string | undefined;
}

/** A field of a model. */
export interface Field extends Place {
  readonly name: string;
  /** A scalar type, an enum, a model, or `Unsupported`. */
  readonly type: string;
  readonly isList: boolean;
  readonly isOptional: boolean;
  /** The column: `@map`, or the name. */
  readonly column: string;
  readonly isUpdatedAt: boolean;
  /** Whether the database or Prisma fills it in: `@default`. */
  readonly hasDefault: boolean;
  /** `VarChar(16)`, `Timestamptz(3)` …; undefined without `@db.…`. */
  readonly nativeType: string | undefined;
  /** Set if the type is a model. */
  readonly relation: Relation | undefined;
  readonly annotations: readonly Annotation[];
}

/** A model: a table. */
export interface Model extends Place {
  readonly name: string;
  /** `@@map`, or the name. */
  readonly table: string;
  /** `@@schema`; undefined for the connection's default. */
  readonly schema: string | undefined;
  readonly fields: readonly Field[];
  /** Names of the fields of the primary key: `@id` or `@@id`. */
  readonly id: readonly string[];
  /** Names of the fields of each unique index: `@unique`, `@@unique`. */
  readonly uniques: readonly (readonly string[])[];
  readonly annotations: readonly Annotation[];
}

/** The models of a Prisma schema, by name, in the order of the files. */
export interface PrismaSchema {
  readonly models: ReadonlyMap<string, Model>;
  /** Of the datasource: they are about every model. */
  readonly annotations: readonly Annotation[];
}
