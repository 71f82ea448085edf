import { parseEncryptionKey, parseIdentities } from './encryption-keys.js';
import type { EnvironmentVariables } from './environment-variables.js';
import type { EncryptionSettings } from './settings.js';

/** The values have passed their rules. */
export function toEncryptionSettings(
  {
    BACKUP_ENCRYPTION_KEY: key,
    BACKUP_ENCRYPTION_IDENTITY: identities,
  }: Pick<EnvironmentVariables, 'BACKUP_ENCRYPTION_KEY' | 'BACKUP_ENCRYPTION_IDENTITY'>,
  enabled: boolean,
): EncryptionSettings {
  return {
    enabled,
    key: key === undefined ? undefined : parseEncryptionKey(key),
    identities: identities === undefined ? [] : parseIdentities(identities),
  };
}
