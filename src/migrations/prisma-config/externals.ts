import type { SchemaFilter } from '#prisma-schema-engine-bridge';
import type { PrismaProject } from '../../config/prisma-project.js';

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

/** Returns the externals in the form of Prisma's engine. */
export function externalFilters(project: PrismaProject): SchemaFilter {
  const { tables, enums } = externalsOf(project) ?? { tables: [], enums: [] };
  return { externalTables: [...tables], externalEnums: [...enums] };
}
