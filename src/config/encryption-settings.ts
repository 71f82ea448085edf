import type { ArchiveVariables } from './backup-settings.js';
import { parseEncryptionKey, parseIdentities, type EncryptionKey } from './encryption-keys.js';
import type { Fault } from './secret-file.js';
import { Setting } from './setting.js';
import { isTrue } from './setting-parsers.js';
import { IsEncryptionIdentity, IsEncryptionKey, IsFlag } from './setting-rules.js';

/** How archives are encrypted, and who can decrypt them. Keys change with their files, so read them for each use. */
export class EncryptionVariables {
  /** There is a key if this is true. */
  @Setting('BACKUP_ENCRYPTION_ENABLED', {
    text: 'whether archives are encrypted with age. See [encryption](encryption.md)',
    default: 'false',
    example: 'true',
    parse: isTrue,
  })
  @IsFlag()
  readonly enabled: boolean;

  /** A passphrase also decrypts. */
  @Setting('BACKUP_ENCRYPTION_KEY', {
    text: 'who can decrypt them: age recipients (`age1…`, comma separated), which are public and which `age-keygen` makes, or a passphrase of at least 12 characters',
    example: 'age1…',
    secret: true,
    parse: parseEncryptionKey,
  })
  @IsEncryptionKey()
  readonly key: EncryptionKey | undefined;

  @Setting('BACKUP_ENCRYPTION_IDENTITY', {
    text: 'secret keys (`AGE-SECRET-KEY-1…`), only where backups are decrypted; with `_FILE`, a file as `age-keygen` writes it',
    example: 'AGE-SECRET-KEY-1…',
    secret: true,
    default: '',
    parse: (text) => (text === '' ? [] : parseIdentities(text)),
  })
  @IsEncryptionIdentity()
  readonly identities: readonly string[];
}

/** Returns what makes no sense together among the settings of archives. */
export function archiveFaults(
  { format, compression }: ArchiveVariables,
  { enabled, key }: EncryptionVariables,
): Fault[] {
  const faults: Fault[] = [];
  if (enabled && key === undefined) {
    faults.push({
      subject: 'BACKUP_ENCRYPTION_KEY',
      problem: 'must be set if BACKUP_ENCRYPTION_ENABLED is true: age recipients (age1…), or a passphrase',
    });
  }
  if (format === 'plain' && compression !== undefined && !compression.startsWith('gzip:')) {
    faults.push({
      subject: 'BACKUP_COMPRESSION',
      problem: `must be gzip:1 to gzip:9 if BACKUP_FORMAT is plain; it is "${compression}"`,
    });
  }
  return faults;
}
