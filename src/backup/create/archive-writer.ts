import type { BackupSettings, Settings } from '../../config/settings.js';
import type { ArchiveEncryption } from '../backup.types.js';
import type { ArchiveKind } from '../catalog/backup-name.js';
import { Sealer } from '../encryption/encrypt.js';
import { keysHere, recipientsOf } from '../encryption/keys.js';
import { readInPassing } from '../verify/verify-contents.js';
import { findTool, type PostgresTool } from '../postgres-tools.js';
import { gzipped, wholeSql } from './plain-dump.js';

/** What a program's output goes through on its way into the storage. */
export interface DumpWriter {
  through(dump: AsyncIterable<Buffer>): AsyncIterable<Buffer>;
  /** How it was encrypted, after everything went through. */
  finish(): ArchiveEncryption | null;
}

/** Passes an archive on, and fails where it is not whole. */
export type ArchiveProof = (archive: AsyncIterable<Buffer>) => AsyncIterable<Buffer>;

/** The writer of one archive. */
export class ArchiveWriter implements DumpWriter {
  readonly kind: ArchiveKind;
  private readonly sealer: Sealer;

  constructor(
    { encryption, format }: Pick<BackupSettings, 'encryption' | 'format'>,
    /** Of a plain dump; pg_dump compresses its own format itself. */
    private readonly gzipLevel: number,
    /** Reads pg_dump's own format while it passes, where nobody here can open it afterwards. */
    private readonly prove: ArchiveProof,
  ) {
    this.sealer = new Sealer(encryption);
    this.kind = { format, encryption: this.sealer.isOn ? {} : null };
  }

  through(dump: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
    const isCustom = this.kind.format === 'custom';
    return this.sealer.through(
      isCustom ? this.prove(dump) : gzipped(wholeSql(dump, 'database'), this.gzipLevel),
    );
  }

  finish(): ArchiveEncryption | null {
    return this.sealer.finish();
  }
}

/** Returns what reads an archive with pg_restore on its way, where this machine cannot open it once it is encrypted. */
export async function proofFor(
  { major: atLeastMajor }: PostgresTool,
  { backup, searchPath }: Pick<Settings, 'backup' | 'searchPath'>,
  signal: AbortSignal,
): Promise<ArchiveProof> {
  const { enabled, key } = backup.encryption;
  const here = enabled && key && (await keysHere('', recipientsOf(key), backup.encryption));
  if (!here || 'keys' in here) return (archive) => archive;
  const pgRestore = await findTool({ program: 'pg_restore', atLeastMajor, searchPath });
  return (archive) => readInPassing(archive, pgRestore, signal);
}
