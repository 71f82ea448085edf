import type { Manifest } from '../backup/backup.types.js';
import type { DatabaseUrl } from '../config/database-url.js';
import type { ReachedServer } from '../postgres/reached-server.js';
import type { ArchiveNeeds } from './archive-contents.js';
import type { ScratchKind } from './restore.types.js';

/** A server that restores are tested on. */
export interface ScratchServer {
  /** Connects to a database of it that is there already. */
  readonly url: DatabaseUrl;
  /** Whether it was made for this test and dies with it: then it may be given roles. */
  readonly isThrowAway: boolean;
  readonly close: () => Promise<void>;
}

/** A database that is restored into, and is gone (or empty again) afterwards. */
export interface Scratch {
  readonly kind: ScratchKind;
  readonly url: DatabaseUrl;
  readonly server: ReachedServer;
  /** Whether owners and grants can be restored there, too. */
  readonly withOwners: boolean;
  /** What cannot be checked there. */
  readonly notes: readonly string[];
  /** `15.18` */
  readonly serverVersion: string;
  /** The names of the settings that the server has. */
  readonly serverSettings: ReadonlySet<string>;
  /** Makes it empty again. */
  readonly renew: () => Promise<void>;
}

/** What the database is to be like. */
export interface ScratchPlan {
  /** After CREATE DATABASE name WITH. */
  readonly databaseOptions: string;
  /** Free space that it takes; undefined where that is not known. */
  readonly bytesNeeded: number | undefined;
  readonly needs: ArchiveNeeds;
  /** The backup, and what its manifest says. */
  readonly name: string;
  readonly manifest: Manifest;
}
