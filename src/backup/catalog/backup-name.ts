import { ARCHIVE_FORMATS, type ArchiveFormat, type EnvironmentName } from '../../config/settings.js';

const MANIFEST = '.manifest.json';
const ARCHIVES = { custom: '.dump', plain: '.sql.gz' } as const;
const ENCRYPTED = '.age';
const UNFINISHED = '.unfinished.json';

/** `<database>_<environment>_<YYYYMMDD>_<HHMMSS>`, UTC. */
export function backupName(database: string, environment: EnvironmentName, at: Date): string {
  const [day = '', time = ''] = at.toISOString().split('T');
  return `${backupSubject(database, environment)}_${day.replaceAll('-', '')}_${time.slice(0, 8).replaceAll(':', '')}`;
}

/** What the names of one database's backups begin with: `<database>_<environment>`. */
export function backupSubject(database: string, environment: EnvironmentName): string {
  return `${safeFileName(database) || 'database'}_${environment}`;
}

/** A database or a table may be called anything; a file name of every system and an object's key may not. */
export function safeFileName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_-]+/g, '-').replaceAll(/^-+|-+$/g, '');
}

/** What kind of archive it is; a manifest tells. */
export interface ArchiveKind {
  /** `custom` is pg_dump's own format, `plain` is SQL, gzipped. */
  readonly format: ArchiveFormat;
  /** Null: not encrypted. */
  readonly encryption: object | null;
}

export function archiveKey(name: string, { format, encryption }: ArchiveKind): string {
  return name + ARCHIVES[format] + (encryption === null ? '' : ENCRYPTED);
}

/** The key of what belongs to the server and to no database: roles, memberships, tablespaces. */
export function globalsKey(name: string, isEncrypted: boolean): string {
  return `${name}.globals.sql${isEncrypted ? ENCRYPTED : ''}`;
}

/** Every key that an archive of this name may have: for removing it without its manifest. */
export function archiveKeys(name: string): string[] {
  return ARCHIVE_FORMATS.flatMap((format) =>
    [null, {}].map((encryption) => archiveKey(name, { format, encryption })),
  );
}

export function manifestKey(name: string): string {
  return name + MANIFEST;
}

/** The key of the mark that a run is at work on this backup. */
export function unfinishedKey(name: string): string {
  return name + UNFINISHED;
}

/** The key of a mark that something works with a committed backup: one for each use. */
export function claimKey(name: string, id: string): string {
  return `${claimPrefix(name)}${id}.json`;
}

/** What the keys of a backup's claims begin with. */
export function claimPrefix(name: string): string {
  return `${name}.in-use-`;
}

/** What may be added to a committed backup: its newest restore test's evidence, the mark that keeps it. */
export const ATTACHMENTS = ['restore-test', 'pinned'] as const;
export type Attachment = (typeof ATTACHMENTS)[number];

/** The key of a document that was added to a committed backup. */
export function attachmentKey(name: string, attachment: Attachment): string {
  return `${name}.${attachment}.json`;
}

/** The backup's name, where the key is a manifest's. */
export function nameOfManifest(key: string): string | undefined {
  return key.endsWith(MANIFEST) ? key.slice(0, -MANIFEST.length) : undefined;
}

/** The backup's name, where the key is the mark of a run. */
export function nameOfUnfinished(key: string): string | undefined {
  return key.endsWith(UNFINISHED) ? key.slice(0, -UNFINISHED.length) : undefined;
}

/** The name a person meant who typed (or completed) the name of one of its files. */
export function typedName(text: string): string {
  const file = text.slice(text.lastIndexOf('/') + 1);
  const ending = [MANIFEST, ...archiveKeys('')].find((known) => file.endsWith(known));
  return ending === undefined ? file : file.slice(0, -ending.length);
}
