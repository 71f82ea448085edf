/** The parts of a database's structure that drift is looked for in. */
export const STRUCTURE_SECTIONS = [
  'schemas',
  'extensions',
  'types',
  'tables',
  'columns',
  'constraints',
  'indexes',
  'sequences',
  'views',
  'functions',
  'triggers',
  'policies',
  'eventTriggers',
] as const;
export type StructureSection = (typeof STRUCTURE_SECTIONS)[number];

/** One object of the structure. */
export interface StructureObject {
  readonly section: StructureSection;
  /** The table or view that it belongs to, quoted where SQL needs it; empty for what stands by itself. */
  readonly home: string;
  /** Its kind and name: `column "fullName"`; just `table` for the home itself. */
  readonly object: string;
  /** What it is, in PostgreSQL's words; may be empty. */
  readonly definition: string;
}
