import type { Recording } from '../audit-log/audit-log.types.js';
import type { StructureSection } from '../postgres/catalogue/structure-queries.js';

/** After what the structure was recorded as the expected one. */
export type FingerprintAction = 'deploy' | 'rollback' | 'accept';

/** The newest fingerprint, without its lines. */
export interface RecordedFingerprint {
  readonly id: string;
  /** ISO 8601, by the database's clock. */
  readonly recordedAt: string;
  /** Any name: a newer pgkeep may have recorded after an action that this one does not know. */
  readonly action: string;
  /** Names of the application's migrations that were applied then. */
  readonly migrations: readonly string[];
}

/** An object that is not what was recorded. */
export interface DriftedObject {
  readonly section: StructureSection;
  /** The table or view it belongs to, quoted where SQL needs it; empty for what stands by itself. */
  readonly home: string;
  /** Its kind and name, such as `column nickname`; `table` for the home itself. */
  readonly object: string;
  readonly change: 'added' | 'missing' | 'changed';
  /** What it was when it was recorded; null where it is added. */
  readonly was: string | null;
  /** What it is now; null where it is missing. */
  readonly is: string | null;
}

/** What a look at the structure came to. */
export type DriftLook =
  /** There is no place for fingerprints: `pgkeep install`. */
  | { readonly kind: 'not-installed' }
  /** Nobody recorded what is expected. */
  | { readonly kind: 'not-recorded' }
  /** Another version of pgkeep recorded it, which reads the structure in another way. */
  | { readonly kind: 'not-comparable'; readonly recorded: RecordedFingerprint }
  /** Migrations are being applied right now. */
  | { readonly kind: 'deploying'; readonly recorded: RecordedFingerprint }
  | ComparedStructure;

/** The structure against the newest fingerprint. */
export interface ComparedStructure {
  readonly kind: 'compared';
  readonly recorded: RecordedFingerprint;
  /** By home; what stands by itself first. */
  readonly objects: readonly DriftedObject[];
  /** Applied since, by something that records no fingerprint: what they changed is among `objects`. */
  readonly appliedSince: readonly string[];
  /** Applied then and not in the history any more. */
  readonly goneSince: readonly string[];
  /** What was compared: a later look at the same has the same outcome. */
  readonly digests: Readonly<Record<string, string>>;
}

/** Whether the fingerprint of an action was kept. */
export interface Fingerprinting {
  readonly recorded: boolean;
  /** Where it was not: why, and what to do that the next one will be. */
  readonly notRecorded?: string;
}

/** Prisma's own comparison: the database against the schema files. */
export interface SchemaComparison {
  /** The schema files, absolute. */
  readonly files: readonly string[];
  readonly differs: boolean;
  /** What it would take to bring the database to the schema, in Prisma's words; empty where nothing differs. */
  readonly summary: string;
  /** The same as SQL. */
  readonly script: string;
  /** Migrations that are not applied yet: they are a reason to differ. */
  readonly pending: readonly string[];
}

/** Why Prisma's engine did not compare: it could not, or what belongs to the schema is not known. */
export type NoComparison =
  { readonly fault: string } | { readonly schemaUnknown: string; readonly hint: string };

/** What `pgkeep migrate drift` answers. */
export interface DriftReport {
  readonly verdict: 'none' | 'drift' | 'unknown';
  /** Why it is unknown. */
  readonly reason?: 'not-installed' | 'not-recorded' | 'not-comparable' | 'deploying' | 'migrations-since';
  readonly recorded: RecordedFingerprint | null;
  readonly objects: readonly DriftedObject[];
  readonly appliedSince: readonly string[];
  readonly goneSince: readonly string[];
  /** Null where there is no schema file; otherwise the comparison, or why there is none. */
  readonly prisma: SchemaComparison | NoComparison | null;
}

/** What `pgkeep migrate drift --accept` answers. */
export interface AcceptReport extends Recording {
  /** Whether there was anything to accept. */
  readonly changed: boolean;
  readonly database: string;
  /** What was expected before; null where nothing was. */
  readonly before: RecordedFingerprint | null;
  /** What differed from it, and is expected from now on. */
  readonly objects: readonly DriftedObject[];
  readonly migrations: number;
}
