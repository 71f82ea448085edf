import type { EncryptionKey } from '../../config/encryption-keys.js';
import type { EncryptionSettings } from '../../config/settings.js';
import { PgkeepError } from '../../core/errors.js';
import type { Known } from '../../core/known.js';

/** The keys that decrypt an age file. */
export type DecryptionKeys =
  | { readonly kind: 'identities'; readonly identities: readonly string[] }
  | { readonly kind: 'passphrase'; readonly passphrase: string };

/** The recipient in the manifest of an archive that was encrypted with a passphrase. */
const PASSPHRASE = 'passphrase';

/** Returns the recipients for the manifest: who can decrypt the archive, without any secret. */
export function recipientsOf(key: EncryptionKey): readonly string[] {
  return key.kind === 'passphrase' ? [PASSPHRASE] : key.recipients;
}

/** Finds the configured keys for an archive, or why there are none. Whether a passphrase is the right one is known only when the archive is decrypted. */
export async function findKeys(
  archive: string,
  recipients: readonly string[],
  { key, identities }: EncryptionSettings,
): Promise<Known<DecryptionKeys, PgkeepError>> {
  if (recipients.includes(PASSPHRASE)) {
    if (key?.kind === 'passphrase') return { value: key };
    const message = `${archive} is encrypted with a passphrase, and none is set.`;
    const hint = 'Set BACKUP_ENCRYPTION_KEY (or BACKUP_ENCRYPTION_KEY_FILE) to that passphrase.';
    return { reason: new PgkeepError('BACKUP_KEY_MISSING', message, { hint }) };
  }
  const hint = `Set BACKUP_ENCRYPTION_IDENTITY (or BACKUP_ENCRYPTION_IDENTITY_FILE) to the AGE-SECRET-KEY-1… of ${recipients.join(' or ')}. It can hold several keys.`;
  if (identities.length === 0) {
    const message = `${archive} is encrypted, and no key is set to decrypt it.`;
    return { reason: new PgkeepError('BACKUP_KEY_MISSING', message, { hint }) };
  }
  const { identityToRecipient } = await import('age-encryption');
  const own = await Promise.all(identities.map((identity) => identityToRecipient(identity)));
  const matching = identities.filter((_, index) => recipients.includes(own[index] ?? ''));
  if (matching.length > 0) return { value: { kind: 'identities', identities: matching } };
  const message = `${archive} is encrypted for other keys than those in BACKUP_ENCRYPTION_IDENTITY.`;
  return { reason: new PgkeepError('BACKUP_KEY_WRONG', message, { hint }) };
}
