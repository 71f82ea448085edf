import { escapeLiteral } from 'pg';
import { formatBytes, printableCell } from '../../core/text.js';
import type { Replica, Replication, ReplicationSlot, Vitals } from '../monitoring.types.js';
import { defineProbe, type NewFinding, perSecond, type ProbeContext } from '../probe.js';
import { durationText } from '../probe-sql.js';

interface Row extends Replication {
  /** How much WAL was written since the cluster was created, or replayed on a replica. */
  readonly position: number | null;
}

const CODES = {
  REPLICA_LAGS: {
    meaning: 'A replica is more than 60 s or 1 GB behind.',
    remedy: 'Look at the replica’s load, at the network, and for queries on it that hold up replay.',
  },
  SLOT_LOST: {
    meaning: 'A replication slot has lost the WAL that its reader needs.',
    remedy: 'Set its reader up again, then drop the slot.',
  },
  SLOT_RETAINS_WAL: {
    meaning:
      'A replication slot without a reader keeps more than 1 GB of WAL; critical from 10 GB. The disk fills.',
    remedy: 'Start its reader again, or drop the slot.',
  },
} as const;

type Code = keyof typeof CODES;

const GB = 1024 ** 3;
const LAG_S = 60;

/** Finds replicas that are behind, and slots that keep WAL without a reader. */
export const replication = defineProbe<Row, Code>({
  name: 'replication',
  tier: 'sample',
  cost: '0.3 ms',
  needs: 'pg_monitor, for the replicas',
  hasRates: true,
  codes: CODES,
  sql: ({ inRecovery }) => {
    const position = inRecovery ? 'pg_catalog.pg_last_wal_replay_lsn()' : 'pg_catalog.pg_current_wal_lsn()';
    return `
      SELECT pg_catalog.pg_wal_lsn_diff(${position}, '0/0')::float8 AS position,
             (SELECT coalesce(pg_catalog.json_agg(x), '[]') FROM (
                SELECT s.slot_name AS name, s.active, s.wal_status IS NOT DISTINCT FROM 'lost' AS lost,
                       pg_catalog.pg_wal_lsn_diff(${position}, s.restart_lsn)::float8 AS bytes
                  FROM pg_catalog.pg_replication_slots s ORDER BY 1 LIMIT 50) x) AS slots,
             (SELECT coalesce(pg_catalog.json_agg(x), '[]') FROM (
                SELECT r.application_name AS name, pg_catalog.pg_wal_lsn_diff(${position}, r.replay_lsn)::float8 AS bytes,
                       extract(epoch FROM r.replay_lag)::float8 AS seconds
                  FROM pg_catalog.pg_stat_replication r ORDER BY 1 LIMIT 50) x) AS replicas`;
  },
  judge: ([row], context) => {
    if (!row) return {};
    const { slots, replicas } = row;
    return {
      replication: {
        slots: slots.map((slot) => ({ ...slot, name: printableCell(slot.name) })),
        replicas: replicas.map((replica) => ({ ...replica, name: printableCell(replica.name) })),
      },
      vitals: vitalsOf(row, context),
      findings: [
        ...slots.flatMap((slot) => slotFindings(slot)),
        ...replicas.flatMap((replica) => replicaFindings(replica)),
      ],
    };
  },
});

function vitalsOf(
  { position, slots, replicas }: Row,
  { before, elapsedSeconds }: ProbeContext<Row>,
): Partial<Vitals> {
  const [then] = before ?? [];
  const hasRate = then !== undefined && then.position !== null && position !== null;
  return {
    walBytesPerSecond: hasRate ? perSecond(position, then.position, elapsedSeconds) : null,
    replicaLagSeconds: replicas.length > 0 ? Math.max(...replicas.map(({ seconds }) => seconds ?? 0)) : null,
    slotBytes: slots.length > 0 ? Math.max(...slots.map(({ bytes }) => bytes ?? 0)) : null,
  };
}

function slotFindings({ name, active, lost, bytes }: ReplicationSlot): NewFinding<Code>[] {
  const sql = `SELECT pg_drop_replication_slot(${escapeLiteral(name)});`;
  if (lost) {
    return [
      {
        code: 'SLOT_LOST',
        severity: 'warning',
        subject: name,
        text: `Replication slot ${name} has lost the WAL that its reader needs`,
        sql,
      },
    ];
  }
  if (active || bytes === null || bytes < GB) return [];
  return [
    {
      code: 'SLOT_RETAINS_WAL',
      severity: bytes < 10 * GB ? 'warning' : 'critical',
      subject: name,
      text: `Replication slot ${name} has no reader and keeps ${formatBytes(bytes)} of WAL`,
      sql,
    },
  ];
}

function replicaFindings({ name, bytes, seconds }: Replica): NewFinding<Code>[] {
  const isLate = (seconds ?? 0) > LAG_S;
  if (!isLate && (bytes ?? 0) < GB) return [];
  const subject = printableCell(name);
  const behind = isLate ? durationText(seconds ?? 0) : formatBytes(bytes ?? 0);
  return [
    { code: 'REPLICA_LAGS', severity: 'warning', subject, text: `Replica ${subject} is ${behind} behind` },
  ];
}
