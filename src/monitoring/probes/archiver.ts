import { counted } from '../../core/text.js';
import { defineProbe } from '../probe.js';

interface Row {
  readonly fails: boolean;
  readonly failed: number;
  readonly last_failed_wal: string | null;
}

const CODES = {
  ARCHIVER_FAILS: {
    meaning: 'The newest attempt to archive WAL failed. WAL piles up until it works again.',
    remedy: 'Read the server’s log for what archive_command or archive_library reported.',
  },
} as const;

/** Finds an archive that takes no WAL. */
export const archiver = defineProbe<Row, keyof typeof CODES>({
  name: 'archiver',
  tier: 'sample',
  cost: '0.1 ms',
  codes: CODES,
  sql: () => `
    SELECT pg_catalog.current_setting('archive_mode') <> 'off'
             AND coalesce(a.last_failed_time > coalesce(a.last_archived_time, '-infinity'), false) AS fails,
           a.failed_count::float8 AS failed, a.last_failed_wal
      FROM pg_catalog.pg_stat_archiver a`,
  judge: ([row]) => ({
    counters: { archiveFailures: row?.failed ?? null },
    findings: row?.fails
      ? [
          {
            code: 'ARCHIVER_FAILS',
            severity: 'critical',
            text: `Archiving WAL fails: ${row.last_failed_wal ?? 'a segment'} was not archived, after ${counted(row.failed, 'failure')} in all`,
          },
        ]
      : [],
  }),
});
