import type { Manifest } from '../backup/backup.types.js';
import { GUARD_LEFT_OUT } from './without-guard.js';

/** What is in an archive and in no restore of it, for the notes of a restore and of the evidence. */
export function leftOut(manifest: Manifest | null, { hasGuard }: { readonly hasGuard: boolean }): string[] {
  const subscriptions = manifest?.subscriptions ?? [];
  const [what, which] =
    subscriptions.length === 1 ? ['the subscription', 'was'] : ['the subscriptions', 'were'];
  return [
    ...(hasGuard ? [GUARD_LEFT_OUT] : []),
    ...(subscriptions.length === 0
      ? []
      : [
          `${what} ${subscriptions.join(', ')} ${which} left out, as of every restore: a second database must not follow the same publisher by itself; the command is in the archive (CREATE SUBSCRIPTION in \`pg_restore --schema-only --file=- ARCHIVE\`)`,
        ]),
  ];
}
