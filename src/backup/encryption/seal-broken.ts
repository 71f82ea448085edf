/** An encrypted archive is not as it was written. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken';
}

/** The passphrase that is here is not the one that the archive was encrypted with. */
export class PassphraseRefused extends Error {
  override readonly name = 'PassphraseRefused';

  constructor() {
    super('the passphrase of BACKUP_ENCRYPTION_KEY does not open it');
  }
}
