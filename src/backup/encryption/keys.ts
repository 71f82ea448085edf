import type { EncryptionKey } from '../../config/encryption-keys.js';
import type { EncryptionSettings } from '../../config/settings.js';
import { PgkeepError } from '../../core/errors.js';

/** What opens an age file. */
export type OpeningKeys =
  | { readonly kind: 'identities'; readonly identities: readonly string[] }
  | { readonly kind: 'passphrase'; readonly passphrase: string };

/** Stands for the recipients of an archive that a passphrase opens. */
const PASSPHRASE = 'passphrase';

/** What the manifest tells of a key: who can open the archive, and nothing that does. */
export function recipientsOf(key: EncryptionKey): readonly string[] {
  return key.kind === 'passphrase' ? [PASSPHRASE] : key.recipients;
}

/** The keys of these settings that open an archive, or why there are none. */
export type KeysHere = { readonly keys: OpeningKeys } | { readonly missing: PgkeepError };

/** Looks for the keys; a passphrase is only known to be the right one when the archive is opened. */
export async function keysHere(
  archive: string,
  recipients: readonly string[],
  { key, identities }: EncryptionSettings,
): Promise<KeysHere> {
  if (recipients.includes(PASSPHRASE)) {
    if (key?.kind === 'passphrase') return { keys: key };
    const message = `${archive} is encrypted with a passphrase, which is not here.`;
    const hint = 'Set BACKUP_ENCRYPTION_KEY (or BACKUP_ENCRYPTION_KEY_FILE) to that passphrase.';
    return { missing: new PgkeepError('BACKUP_KEY_MISSING', message, { hint }) };
  }
  const hint = `Set BACKUP_ENCRYPTION_IDENTITY (or BACKUP_ENCRYPTION_IDENTITY_FILE) to the AGE-SECRET-KEY-1… of ${recipients.join(' or ')}; several may stand there.`;
  if (identities.length === 0) {
    const message = `${archive} is encrypted, and no key to open it is here.`;
    return { missing: new PgkeepError('BACKUP_KEY_MISSING', message, { hint }) };
  }
  const { identityToRecipient } = await import('age-encryption');
  const own = await Promise.all(identities.map((identity) => identityToRecipient(identity)));
  const matching = identities.filter((_, index) => recipients.includes(own[index] ?? ''));
  if (matching.length > 0) return { keys: { kind: 'identities', identities: matching } };
  const message = `${archive} is encrypted for other keys than those of BACKUP_ENCRYPTION_IDENTITY.`;
  return { missing: new PgkeepError('BACKUP_KEY_WRONG', message, { hint }) };
}
