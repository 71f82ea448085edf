import type { Notice, NoticedAlert } from '../../src/notifiers/notifier.types.js';

/** An alert about a blocked session. */
export function alertOf(changes: Partial<NoticedAlert> = {}): NoticedAlert {
  return {
    id: '8d1c5f00a1b2c3d4',
    code: 'BLOCKED',
    subject: 'clinic-import',
    severity: 'critical',
    text: '2 sessions wait for clinic-import, for 74 s now',
    remedy: 'End the session that holds the lock, then find out why it keeps it.',
    sql: 'SELECT pg_terminate_backend(21431);',
    since: '2026-11-27T02:10:00.000Z',
    firedAt: '2026-11-27T02:10:04.000Z',
    resolvedAt: null,
    contact: 'Database Admin, +62 811 555 010',
    ...changes,
  };
}

/** A notice about it. */
export function noticeOf(changes: Partial<Notice> = {}): Notice {
  return {
    id: '0f8fad5b-d9cb-469f-a165-70867728950e',
    event: 'firing',
    database: 'clinic',
    environment: 'production',
    alerts: [alertOf()],
    stillFiring: 1,
    link: 'https://pgkeep.example/',
    ...changes,
  };
}
