import { parseEncryptionKey, parseIdentities } from './encryption-keys.js';
import type { EnvironmentVariables } from './settings-list.js';
import type { Fault, ReadVariables } from './settings-reader.js';
import type { EncryptionSettings } from './settings.js';

/** The values have passed their rules; those that a file holds are read from it again. */
export function toEncryptionSettings({ variables, secret }: ReadVariables): EncryptionSettings {
  const key = secret('BACKUP_ENCRYPTION_KEY', parseEncryptionKey);
  const identities = secret('BACKUP_ENCRYPTION_IDENTITY', parseIdentities);
  return {
    enabled: isTrue(variables.BACKUP_ENCRYPTION_ENABLED),
    get key() {
      return key();
    },
    get identities() {
      return identities() ?? [];
    },
  };
}

/** What contradicts itself among the settings of an archive, each well formed. */
export function archiveContradictions({
  BACKUP_ENCRYPTION_ENABLED: encrypted,
  BACKUP_ENCRYPTION_KEY: key,
  BACKUP_FORMAT: format,
  BACKUP_COMPRESSION: compression,
}: EnvironmentVariables): Fault[] {
  const faults: Fault[] = [];
  if (isTrue(encrypted) && key === undefined) {
    faults.push({
      subject: 'BACKUP_ENCRYPTION_KEY',
      problem: 'must be set where BACKUP_ENCRYPTION_ENABLED is true: age recipients (age1…), or a passphrase',
    });
  }
  if (format === 'plain' && compression !== undefined && !compression.startsWith('gzip:')) {
    faults.push({
      subject: 'BACKUP_COMPRESSION',
      problem: `must be gzip:1 to gzip:9 where BACKUP_FORMAT is plain; it is "${compression}"`,
    });
  }
  return faults;
}

export function isTrue(text: string | undefined): boolean {
  return text?.toLowerCase() === 'true';
}

export function optionalNumber(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text);
}

/** A number of megabytes, in bytes. */
export function optionalMegabytes(text: string | undefined): number | undefined {
  const megabytes = optionalNumber(text);
  return megabytes === undefined ? undefined : megabytes * 1_048_576;
}
