import type { Externals } from '../migrations/prisma-config/externals.js';
import type { DriftedObject } from './drift.types.js';

/** `public."Crate"`, `"a b"."c""d"`: a name of two parts as PostgreSQL quotes it. */
const PART = /"((?:[^"]|"")*)"|([^."]+)/g;

/** Drops what belongs to external tables and enums: another team or program changes those. Pure. */
export function withoutExternals(
  objects: readonly DriftedObject[],
  { tables, enums }: Externals,
): readonly DriftedObject[] {
  if (tables.length + enums.length === 0) return objects;
  const homes = new Set(tables);
  const types = new Set(enums);
  return objects.filter(({ home, object }) => {
    if (home !== '') return !homes.has(unquoted(home));
    return !(object.startsWith('enum ') && types.has(unquoted(object.slice('enum '.length))));
  });
}

function unquoted(name: string): string {
  return [...name.matchAll(PART)]
    .map(([, quoted, plain]) => quoted?.replaceAll('""', '"') ?? plain)
    .join('.');
}
