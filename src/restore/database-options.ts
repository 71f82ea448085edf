import { escapeLiteral } from 'pg';
import type { Manifest } from '../backup/backup.types.js';
import type { ArchiveNeeds } from './archive-contents.js';

/**
 * What follows CREATE DATABASE name WITH, for a database like the one that was dumped: PostgreSQL's own words out
 * of the archive, which know every kind of locale; a plain dump has none, and then the manifest's facts.
 */
export function databaseOptions(
  { databaseOptions: own }: ArchiveNeeds,
  { encoding, collation, characterType }: Pick<Manifest, 'encoding' | 'collation' | 'characterType'>,
): string {
  if (own !== undefined) return own;
  return `TEMPLATE = template0 ENCODING = ${escapeLiteral(encoding)} LC_COLLATE = ${escapeLiteral(collation)} LC_CTYPE = ${escapeLiteral(characterType)}`;
}
