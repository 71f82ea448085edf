import { ARCHIVE_FORMATS, type ArchiveFormat, type EnvironmentName } from '../../config/settings.js';

const MANIFEST = '.manifest.json';
const ARCHIVES = { custom: '.dump', plain: '.sql.gz' } as const;
const ENCRYPTED = '.age';
const UNFINISHED = '.unfinished.json';

/** Returns `<database>_<environment>_<YYYYMMDD>_<HHMMSS>`, in UTC. */
export function backupName(database: string, environment: EnvironmentName, at: Date): string {
  const [day = '', time = ''] = at.toISOString().split('T');
  return `${backupSubject(database, environment)}_${day.replaceAll('-', '')}_${time.slice(0, 8).replaceAll(':', '')}`;
}

/** Returns the prefix of the names of one database's backups: `<database>_<environment>`. */
export function backupSubject(database: string, environment: EnvironmentName): string {
  return `${safeFileName(database) || 'database'}_${environment}`;
}

/** Returns whether a backup is of this database in this environment. */
export function isBackupOf(
  backup: { readonly database: string; readonly environment: string },
  database: string,
  environment: string,
): boolean {
  return backup.database === database && backup.environment === environment;
}

/** Returns a name with the characters that are safe in a file name on every system and in an object's key. */
export function safeFileName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_-]+/g, '-').replaceAll(/^-+|-+$/g, '');
}

/** Format and encryption of an archive, as in a manifest. */
export interface ArchiveKind {
  /** `custom` is pg_dump's own format, `plain` is SQL, gzipped. */
  readonly format: ArchiveFormat;
  /** Null: not encrypted. */
  readonly encryption: object | null;
}

/** Returns the key of an archive: `<name>.dump`, `.sql.gz`, and `.age` if it is encrypted. */
export function archiveKey(name: string, { format, encryption }: ArchiveKind): string {
  return name + ARCHIVES[format] + (encryption === null ? '' : ENCRYPTED);
}

/** Returns the key of the server's globals: roles, memberships, tablespaces. */
export function globalsKey(name: string, isEncrypted: boolean): string {
  return `${name}.globals.sql${isEncrypted ? ENCRYPTED : ''}`;
}

/** Returns every key that an archive of this name can have, to remove it without reading its manifest. */
export function archiveKeys(name: string): string[] {
  return ARCHIVE_FORMATS.flatMap((format) =>
    [null, {}].map((encryption) => archiveKey(name, { format, encryption })),
  );
}

/** Returns the key of a backup's manifest. */
export function manifestKey(name: string): string {
  return name + MANIFEST;
}

/** Returns the key of the mark of a run that makes, copies or removes this backup. */
export function unfinishedKey(name: string): string {
  return name + UNFINISHED;
}

/** Returns the key of a claim: a mark that a committed backup is in use, one for each use. */
export function claimKey(name: string, id: string): string {
  return `${claimPrefix(name)}${id}.json`;
}

/** Returns the prefix of the keys of a backup's claims. */
export function claimPrefix(name: string): string {
  return `${name}.in-use-`;
}

/** Documents that can be added to a committed backup: the evidence of its newest restore test, and its pin. */
export const ATTACHMENTS = ['restore-test', 'pinned'] as const;
export type Attachment = (typeof ATTACHMENTS)[number];

/** Returns the key of a document that was added to a committed backup. */
export function attachmentKey(name: string, attachment: Attachment): string {
  return `${name}.${attachment}.json`;
}

/** Returns the name of the backup whose manifest has this key; undefined if the key is not a manifest's. */
export function nameOfManifest(key: string): string | undefined {
  return key.endsWith(MANIFEST) ? key.slice(0, -MANIFEST.length) : undefined;
}

/** Returns the name of the backup whose run has this mark; undefined if the key is not a mark's. */
export function nameOfUnfinished(key: string): string | undefined {
  return key.endsWith(UNFINISHED) ? key.slice(0, -UNFINISHED.length) : undefined;
}

/** Returns the backup's name from what a person typed: the name, or the path of one of its files. */
export function typedName(text: string): string {
  const file = text.slice(text.lastIndexOf('/') + 1);
  const ending = [MANIFEST, ...archiveKeys('')].find((known) => file.endsWith(known));
  return ending === undefined ? file : file.slice(0, -ending.length);
}
