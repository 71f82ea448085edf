import type { Recording } from '../audit-log/audit-log.types.js';
import type { StructureSection } from '../postgres/catalogue/structure-queries.js';

/** The action after which the structure was recorded. */
export type FingerprintAction = 'deploy' | 'rollback' | 'accept';

/** The newest fingerprint, without its lines. */
export interface RecordedFingerprint {
  readonly id: string;
  /** ISO 8601, by the database's clock. */
  readonly recordedAt: string;
  /** Any name: a newer pgkeep may have recorded after an action that this version does not know. */
  readonly action: string;
  /** Names of the application's migrations that were applied then. */
  readonly migrations: readonly string[];
}

/** An object that is not what was recorded. */
export interface DriftedObject {
  readonly section: StructureSection;
  /** The table or view that it belongs to, quoted where SQL needs it; empty if there is none. */
  readonly home: string;
  /** Its kind and name, such as `column nickname`; `table` for the home itself. */
  readonly object: string;
  readonly change: 'added' | 'missing' | 'changed';
  /** Its recorded definition; null if it was added. */
  readonly was: string | null;
  /** Its current definition; null if it is missing. */
  readonly is: string | null;
}

/** The outcome of a look at the structure. */
export type DriftLook =
  /** The table for fingerprints is missing: `pgkeep install`. */
  | { readonly kind: 'not-installed' }
  /** No expected structure is recorded. */
  | { readonly kind: 'not-recorded' }
  /** Recorded by another version of pgkeep, in a form that cannot be compared. */
  | { readonly kind: 'not-comparable'; readonly recorded: RecordedFingerprint }
  /** Migrations are being applied right now. */
  | { readonly kind: 'deploying'; readonly recorded: RecordedFingerprint }
  | ComparedStructure;

/** The structure against the newest fingerprint. */
export interface ComparedStructure {
  readonly kind: 'compared';
  readonly recorded: RecordedFingerprint;
  /** Sorted by home; objects without one first. */
  readonly objects: readonly DriftedObject[];
  /** Applied since by a program that records no fingerprint: their changes are among `objects`. */
  readonly appliedSince: readonly string[];
  /** Applied then, but no longer in the history. */
  readonly goneSince: readonly string[];
  /** What was compared: a later look with the same digests has the same outcome. */
  readonly digests: Readonly<Record<string, string>>;
}

/** Whether the fingerprint of an action was recorded. */
export interface Fingerprinting {
  readonly recorded: boolean;
  /** If not: why, and what to do about it. */
  readonly notRecorded?: string;
}

/** Prisma's own comparison: the database against the schema files. */
export interface SchemaComparison {
  /** The schema files, absolute. */
  readonly files: readonly string[];
  readonly differs: boolean;
  /** Changes that would make the database match the schema, in Prisma's words; empty if nothing differs. */
  readonly summary: string;
  /** The same as SQL. */
  readonly script: string;
  /** Migrations that are not applied yet, which may explain a difference. */
  readonly pending: readonly string[];
}

/** Why Prisma's engine did not compare: it failed, or the schema is unknown. */
export type NoComparison =
  { readonly fault: string } | { readonly schemaUnknown: string; readonly hint: string };

/** What `pgkeep migrate drift` reports. */
export interface DriftReport {
  readonly verdict: 'none' | 'drift' | 'unknown';
  /** Why it is unknown. */
  readonly reason?: 'not-installed' | 'not-recorded' | 'not-comparable' | 'deploying' | 'migrations-since';
  readonly recorded: RecordedFingerprint | null;
  readonly objects: readonly DriftedObject[];
  readonly appliedSince: readonly string[];
  readonly goneSince: readonly string[];
  /** Null if there is no schema file; otherwise the comparison, or why there is none. */
  readonly prisma: SchemaComparison | NoComparison | null;
}

/** What `pgkeep migrate drift --accept` reports. */
export interface AcceptReport extends Recording {
  /** Whether there was anything to accept. */
  readonly changed: boolean;
  readonly database: string;
  /** The expected structure before; null if there was none. */
  readonly before: RecordedFingerprint | null;
  /** What differed from it, and is expected from now on. */
  readonly objects: readonly DriftedObject[];
  readonly migrations: number;
}
