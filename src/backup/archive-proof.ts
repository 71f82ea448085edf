import type { Settings } from '../config/settings.js';
import type { ArchiveProof } from './archive-writer.js';
import { findTool, type PostgresTool } from './postgres-tool.js';
import { readInPassing } from './read-in-passing.js';
import { keysHere, recipientsOf } from './encryption/keys-here.js';

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
