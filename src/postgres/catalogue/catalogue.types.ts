/** The sections of a fingerprint; each is a list of lines, one per object, sorted. */
export const CATALOGUE_SECTIONS = [
  'relations',
  'columns',
  'constraints',
  'indexes',
  'triggers',
  'rowSecurity',
  'extensions',
] as const;
export type CatalogueSection = (typeof CATALOGUE_SECTIONS)[number];

/**
 * Fingerprint of a database's structure, line by line, so that a comparison can name what differs. Definitions
 * are in the form that a restore leaves unchanged (see `comparableDefinition`).
 */
export type Catalogue = Readonly<Record<CatalogueSection, readonly string[]>>;
