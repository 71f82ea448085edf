/** The application's Prisma configuration (`prisma.config.ts`). Paths are absolute. */
export interface PrismaConfiguration {
  readonly file: string;
  /** The schema file, or the directory of its files; undefined if it names none. */
  readonly schema: string | undefined;
  /** `migrations.path`. */
  readonly migrations: string | undefined;
  /** `migrations.initShadowDb`: SQL that runs in a shadow database before the migrations; empty if there is none. */
  readonly initShadowDb: string;
  /** `tables.external`: tables that another team or program owns, as `schema.table`. */
  readonly externalTables: readonly string[];
  /** `enums.external`, the same for enums. */
  readonly externalEnums: readonly string[];
  /** The URL that migrations go to: `datasource.directUrl` (Prisma 6), else `datasource.url`. May contain a password. */
  readonly url: string | undefined;
  /** `datasource.shadowDatabaseUrl`. May contain a password. */
  readonly shadowUrl: string | undefined;
}

/** What is known about the application's Prisma project. */
export type PrismaProject =
  /** It has no configuration: Prisma's defaults apply. */
  | { readonly kind: 'no-configuration' }
  /** Evaluating a configuration runs the application's code, which `withPrismaProject` does. */
  | { readonly kind: 'not-evaluated' }
  /** The configuration cannot be loaded. */
  | { readonly kind: 'invalid'; readonly why: string; readonly hint: string }
  | { readonly kind: 'configured'; readonly configuration: PrismaConfiguration };

/** Objects that another team or program owns, by full name: left out of comparisons and scripts. */
export interface Externals {
  readonly tables: readonly string[];
  readonly enums: readonly string[];
}

/** Returns the externals of a project; undefined where its configuration is not known. */
export function externalsOf(project: PrismaProject): Externals | undefined {
  if (project.kind !== 'configured') return undefined;
  const { externalTables: tables, externalEnums: enums } = project.configuration;
  return { tables, enums };
}
