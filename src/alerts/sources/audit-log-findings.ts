import { counted, formatMinute } from '../../core/text.js';
import type { AuditLogEntry } from '../../audit-log/audit-log.types.js';
import type { AlertFinding } from '../alert.types.js';

export const AUDIT_LOG_CODES = {
  GUARD_OVERRIDDEN: {
    meaning: 'A destructive Prisma command was run in spite of the guard, within the last hour.',
    remedy: 'Ask who did it. `pgkeep changelog` has the entry; `pgkeep migrate drift` shows what changed.',
  },
  LOGINS_REFUSED: {
    meaning: 'Ten attempts to sign in or to use an admin route failed within a minute, within the last hour.',
    remedy: 'Find out who tries. Change ADMIN_API_TOKEN if it may be known; name your proxy in TRUST_PROXY.',
  },
} as const;

/** What an alert needs of an entry. */
export type AlertedEntry = Pick<AuditLogEntry, 'seq' | 'recordedAt' | 'action' | 'details' | 'actor'>;

type Code = keyof typeof AUDIT_LOG_CODES;

/** The actions that are an alert for an hour. */
const ACTIONS = new Map<string, { readonly code: Code; readonly text: (entry: AlertedEntry) => string }>([
  [
    'guard-override',
    {
      code: 'GUARD_OVERRIDDEN',
      text: ({ actor, details }) => `${actor} overrode the guard: ${detail(details, 'command')}`,
    },
  ],
  [
    'logins-refused',
    {
      code: 'LOGINS_REFUSED',
      text: ({ actor, details }) =>
        `${detail(details, 'failures')} attempts to sign in at ${actor} failed within a minute`,
    },
  ],
]);

export const ALERTED_ACTIONS: readonly string[] = [...ACTIONS.keys()];

/** For how long an entry is an alert. */
export const ALERTED_HOURS = 1;

/** Returns an alert for each kind of entry that needs a person, of entries of the last hour, oldest first. Pure. */
export function auditLogFindings(entries: readonly AlertedEntry[]): AlertFinding[] {
  return [...ACTIONS].flatMap(([action, { code, text }]) => {
    const ofKind = entries.filter((entry) => entry.action === action);
    const newest = ofKind.at(-1);
    if (!newest) return [];
    const before = ofKind.length - 1;
    const more = before === 0 ? '' : `; ${counted(before, 'entry', 'entries')} more within the hour`;
    const finding: AlertFinding = {
      code,
      severity: 'warning',
      subject: '',
      text: `${text(newest)}, at ${formatMinute(newest.recordedAt)} UTC (entry ${newest.seq} of the audit log)${more}`,
      remedy: AUDIT_LOG_CODES[code].remedy,
      sql: null,
    };
    return [finding];
  });
}

/** Returns a detail of an entry; the writer may have been any version. */
function detail(details: unknown, name: string): string {
  const value: unknown =
    typeof details === 'object' && details !== null ? Reflect.get(details, name) : undefined;
  return typeof value === 'string' || typeof value === 'number' ? String(value) : 'a command';
}
