import type { BackupSettings } from '../config/settings.js';
import type { ArchiveKind } from './backup-name.js';
import type { ArchiveEncryption } from './archive-encryption.js';
import { gzipped, wholeSql } from './plain-dump.js';
import { Sealer } from './encryption/sealer.js';

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
