/** How an archive is encrypted. Holds nothing that opens it. */
export interface ArchiveEncryption {
  /** age recipients (`age1…`), or the one word `passphrase`. */
  readonly recipients: readonly string[];
  /** Of the archive inside. */
  readonly plainBytes: number;
  readonly plainSha256: string;
}
