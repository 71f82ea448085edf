import type { SchemaFilter } from '#prisma-schema-engine-bridge';
import type { PrismaProject } from '../../config/prisma-project.js';

/** What another team or program owns, by full name: no comparison shows it, and no script touches it. */
export interface Externals {
  readonly tables: readonly string[];
  readonly enums: readonly string[];
}

/** The externals of a project; undefined where its configuration is not known. */
export function externalsOf(project: PrismaProject): Externals | undefined {
  if (project.kind !== 'configured') return undefined;
  const { externalTables: tables, externalEnums: enums } = project.configuration;
  return { tables, enums };
}

/** The same as Prisma's engine takes it. */
export function externalFilters(project: PrismaProject): SchemaFilter {
  const { tables, enums } = externalsOf(project) ?? { tables: [], enums: [] };
  return { externalTables: [...tables], externalEnums: [...enums] };
}
