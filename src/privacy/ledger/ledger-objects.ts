import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { backupSubject } from '../../backup/catalog/backup-name.js';
import { ArchiveEncryptor, decrypt } from '../../backup/encryption/age.js';
import type { DecryptionKeys } from '../../backup/encryption/keys.js';
import { DigestMeter } from '../../backup/verify/digest-meter.js';
import type { EncryptionSettings, EnvironmentName } from '../../config/settings.js';
import { messageOf, PgkeepError } from '../../core/errors.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import { type StoredEntry, parseEntry } from './ledger-entry.js';

const PLAIN = '.jsonl';
const ENCRYPTED = '.jsonl.age';

/** Whose ledger it is, and how its objects are encrypted. */
export interface LedgerPlace {
  readonly database: string;
  readonly environment: EnvironmentName;
  readonly encryption: EncryptionSettings;
}

/**
 * The copies of the erasure ledger in one storage, beside the backups: one object for each action. They are never
 * pruned: any backup, however old, may be restored.
 */
export class LedgerObjects {
  private readonly prefix: string;

  constructor(
    readonly storage: BackupStorage,
    private readonly place: LedgerPlace,
  ) {
    this.prefix = `${backupSubject(place.database, place.environment)}.privacy/`;
  }

  /** Returns the key of each action's object, by the action's id. @throws PgkeepError `STORAGE_…`. */
  async keys(): Promise<Map<string, string>> {
    const keys = new Map<string, string>();
    for await (const { key } of this.storage.list(this.prefix)) {
      const id = /^([0-9a-f-]{36})\.jsonl(?:\.age)?$/.exec(key.slice(this.prefix.length))?.[1];
      if (id !== undefined) keys.set(id, key);
    }
    return keys;
  }

  /**
   * Stores an action's object, and verifies the stored bytes.
   * @throws PgkeepError `STORAGE_…`; the signal's reason.
   */
  async put(id: string, lines: AsyncIterable<Buffer>, signal: AbortSignal): Promise<void> {
    const encryptor = new ArchiveEncryptor(this.place.encryption);
    const key = `${this.prefix}${id}${encryptor.isOn ? ENCRYPTED : PLAIN}`;
    const sent = new DigestMeter();
    const body = Readable.from(sent.through(encryptor.through(lines)), { objectMode: false });
    await this.storage.put(key, body, { signal });
    const stored = new DigestMeter();
    for await (const chunk of await this.storage.get(key)) stored.add(Buffer.from(chunk));
    if (stored.digest() === sent.digest()) return;
    // A later run stores it again: only complete copies are listed.
    await this.storage.delete(key);
    throw new PgkeepError(
      'STORAGE_FAILED',
      `${key} in ${this.storage.location} failed verification: it is not what was stored.`,
      { hint: 'Check the disk, or the network and the bucket’s server.' },
    );
  }

  /** Reads an action's object. @throws PgkeepError `STORAGE_…`, `BACKUP_KEY_MISSING`, `BACKUP_DAMAGED`. */
  async read(key: string): Promise<StoredEntry> {
    const entry = parseEntry(await this.text(key));
    if (entry) return entry;
    throw damaged(this.storage, key, 'it is incomplete, or a later version of pgkeep wrote it');
  }

  private async text(key: string): Promise<string> {
    const stored = await buffer(await this.storage.get(key));
    if (!key.endsWith(ENCRYPTED)) return stored.toString('utf8');
    const keys = this.decryptionKeys(key, stored);
    try {
      return (await buffer(Readable.from(decrypt(inOnePiece(stored), keys)))).toString('utf8');
    } catch (error) {
      throw damaged(this.storage, key, messageOf(error));
    }
  }

  private decryptionKeys(object: string, stored: Buffer): DecryptionKeys {
    const { key, identities } = this.place.encryption;
    const needsPassphrase = stored.subarray(0, 200).toString('latin1').includes('\n-> scrypt ');
    if (needsPassphrase && key?.kind === 'passphrase') return key;
    if (!needsPassphrase && identities.length > 0) return { kind: 'identities', identities };
    const setting = needsPassphrase ? 'BACKUP_ENCRYPTION_KEY' : 'BACKUP_ENCRYPTION_IDENTITY';
    throw new PgkeepError(
      'BACKUP_KEY_MISSING',
      `${object} in ${this.storage.location} is encrypted, and no key is set to decrypt it.`,
      { hint: `Set ${setting} (or ${setting}_FILE) to the key of the backups.` },
    );
  }
}

async function* inOnePiece(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

function damaged({ location }: BackupStorage, key: string, why: string): PgkeepError {
  return new PgkeepError('BACKUP_DAMAGED', `${key} in ${location} cannot be read: ${why}.`, {
    hint: 'Use the copy of it in another place: copy that file over this one.',
  });
}
