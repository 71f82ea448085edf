/*
 * Alerts and the messages about them as they are stored. Every time is the database's, so a machine whose clock is wrong
 * decides nothing.
 */

/** SQL: a time as ms since 1970. */
const msOf = (time: string): string => `pg_catalog.round(extract(epoch FROM ${time})::float8 * 1000)::float8`;

/** A message that takes longer is claimed again by another replica. */
const CLAIM_SECONDS = 60;
/** A message that was not taken for a day is given up. */
const GIVEN_UP = `interval '1 day'`;
/** A receiver that takes nothing for this time is an alert itself. */
const UNDELIVERED = `interval '15 minutes'`;

/** SQL: silences that are in force. */
const IN_FORCE = `s.until > pg_catalog.now() AND s.ended_at IS NULL`;

/**
 * Reads the database's clock, the silences, and the receivers that take nothing; the alerts too where `$1` is true.
 * One row.
 */
export const READ = `
  SELECT ${msOf('pg_catalog.clock_timestamp()')} AS now,
         coalesce((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                            'code', s.code, 'subject', s.subject, 'until', ${msOf('s.until')}))
                     FROM pgkeep.alert_silence s WHERE ${IN_FORCE}), '[]') AS silences,
         coalesce((SELECT pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object(
                            'receiver', u.receiver, 'due', u.due, 'failed', u.failed, 'error', u.error))
                     FROM (SELECT d.receiver, count(*) FILTER (WHERE d.state = 'due') AS due,
                                  count(*) FILTER (WHERE d.state = 'failed') AS failed,
                                  (array_agg(d.last_error ORDER BY d.created_at DESC))[1] AS error
                             FROM pgkeep.alert_delivery d
                            WHERE d.state = 'due' AND d.attempts > 0 AND d.created_at < pg_catalog.now() - ${UNDELIVERED}
                               OR d.state = 'failed' AND d.ended_at > pg_catalog.now() - ${GIVEN_UP}
                            GROUP BY d.receiver) u), '[]') AS undelivered,
         CASE WHEN $1 THEN coalesce((SELECT pg_catalog.jsonb_agg(a.alert) FROM pgkeep.alert a
                                      WHERE a.state <> 'resolved' OR a.id = $2
                                         OR a.changed_at > pg_catalog.now() - interval '2 hours'), '[]') END AS alerts`;

/**
 * Writes the alerts `$3` that changed, forgets those of `$4`, and puts the messages `$5` into the outbox, all or nothing,
 * and only while lease `$1` has fence `$2`: a leader that was stopped and wakes changes nothing. One row.
 */
export const COMMIT = `
  WITH lease AS MATERIALIZED (
         SELECT FROM pgkeep.lease WHERE name = $1 AND fence = $2::bigint AND expires_at > pg_catalog.now() FOR UPDATE),
       changed AS (
         INSERT INTO pgkeep.alert (id, state, alert)
         SELECT x ->> 'id', x ->> 'state', x FROM lease, pg_catalog.jsonb_array_elements($3::jsonb) x
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, alert = excluded.alert, changed_at = pg_catalog.now()),
       forgotten AS (
         DELETE FROM pgkeep.alert USING lease WHERE id = ANY ($4::text[])),
       outbox AS (
         INSERT INTO pgkeep.alert_delivery (id, receiver, alert_ids, notice, state, attempts, last_error, ended_at)
         SELECT (x ->> 'id')::uuid, x ->> 'receiver',
                ARRAY(SELECT pg_catalog.jsonb_array_elements(x -> 'notice' -> 'alerts') ->> 'id'),
                x -> 'notice', x ->> 'state', (x ->> 'attempts')::int, x ->> 'lastError',
                CASE WHEN x ->> 'state' <> 'due' THEN pg_catalog.now() END
           FROM lease, pg_catalog.jsonb_array_elements($5::jsonb) x
         ON CONFLICT (id, receiver) DO NOTHING)
  SELECT count(*)::int AS held FROM lease`;

/** Deletes what is over since long: resolved alerts, messages after a month, silences after a year. */
export const CLEAN = `
  WITH alerts AS (
         DELETE FROM pgkeep.alert
          WHERE state = 'resolved' AND id <> $1 AND changed_at < pg_catalog.now() - interval '30 days'),
       deliveries AS (
         DELETE FROM pgkeep.alert_delivery
          WHERE state <> 'due' AND ended_at < pg_catalog.now() - interval '30 days')
  DELETE FROM pgkeep.alert_silence WHERE until < pg_catalog.now() - interval '1 year'`;

/**
 * Claims the oldest message for receiver `$1` that is due. Of one alert an older message goes first, so that "resolved"
 * never overtakes "firing". At most one row.
 */
export const CLAIM = `
  UPDATE pgkeep.alert_delivery SET attempts = attempts + 1,
         claimed_until = pg_catalog.now() + interval '${CLAIM_SECONDS} seconds'
   WHERE (id, receiver) IN (
           SELECT d.id, d.receiver FROM pgkeep.alert_delivery d
            WHERE d.receiver = $1 AND d.state = 'due' AND d.next_try_at <= pg_catalog.now()
              AND (d.claimed_until IS NULL OR d.claimed_until < pg_catalog.now())
              AND NOT EXISTS (SELECT FROM pgkeep.alert_delivery e
                               WHERE e.receiver = d.receiver AND e.state = 'due' AND e.created_at < d.created_at
                                 AND e.alert_ids && d.alert_ids)
            ORDER BY d.created_at LIMIT 1 FOR UPDATE SKIP LOCKED)
  RETURNING id, notice, attempts`;

/** Notes that receiver `$2` took message `$1`. It works again, so what waits for it need not wait longer. */
export const SENT = `
  WITH sent AS (
         UPDATE pgkeep.alert_delivery SET state = 'sent', ended_at = pg_catalog.now(), claimed_until = NULL, last_error = NULL
          WHERE id = $1 AND receiver = $2)
  UPDATE pgkeep.alert_delivery SET next_try_at = pg_catalog.now()
   WHERE receiver = $2 AND state = 'due' AND id <> $1 AND next_try_at > pg_catalog.now()`;

/** Notes that receiver `$2` did not take message `$1`: tried again after 10 s, 20 s, 40 s … an hour, or after `$4` ms. */
export const FAILED = `
  UPDATE pgkeep.alert_delivery
     SET state = CASE WHEN created_at < pg_catalog.now() - ${GIVEN_UP} THEN 'failed' ELSE 'due' END,
         ended_at = CASE WHEN created_at < pg_catalog.now() - ${GIVEN_UP} THEN pg_catalog.now() END,
         claimed_until = NULL, last_error = $3,
         next_try_at = pg_catalog.now() + greatest(pg_catalog.make_interval(secs => $4::float8 / 1000),
           least(interval '1 hour', interval '10 seconds' * pg_catalog.power(2, least(attempts - 1, 16))))
   WHERE id = $1 AND receiver = $2
  RETURNING state`;

/** Gives up what waits for receivers that are not among `$1`: they are not configured any more. */
export const GIVE_UP_OTHERS = `
  UPDATE pgkeep.alert_delivery
     SET state = 'failed', ended_at = pg_catalog.now(), last_error = 'This receiver is not configured any more.'
   WHERE state = 'due' AND receiver <> ALL ($1::text[])`;

/** Reads the state of the messages, by receiver. */
export const DELIVERIES = `
  SELECT receiver, count(*) FILTER (WHERE state = 'due')::int AS due, count(*) FILTER (WHERE state = 'sent')::int AS sent,
         count(*) FILTER (WHERE state = 'failed')::int AS failed, max(ended_at) FILTER (WHERE state = 'sent') AS sent_at,
         (array_agg(last_error ORDER BY created_at DESC) FILTER (WHERE last_error IS NOT NULL AND state <> 'sent'))[1] AS last_error
    FROM pgkeep.alert_delivery GROUP BY receiver ORDER BY receiver`;

/** The columns of a silence. */
const SILENCE = `id, code, subject, until, because, silenced_by, silenced_at`;

/** Adds a silence of `$1` and subject `$2` for `$3` seconds. One row. */
export const ADD_SILENCE = `
  INSERT INTO pgkeep.alert_silence (id, code, subject, until, because, silenced_by)
  SELECT 1 + coalesce(max(s.id), 0), $1, $2, pg_catalog.now() + pg_catalog.make_interval(secs => $3::float8), $4, $5
    FROM pgkeep.alert_silence s
  RETURNING ${SILENCE}`;

/** Reads the silences in force, the one that ends first first. */
export const SILENCES = `SELECT ${SILENCE} FROM pgkeep.alert_silence s WHERE ${IN_FORCE} ORDER BY until, id`;

/** Ends silence `$1`. At most one row. */
export const END_SILENCE = `
  UPDATE pgkeep.alert_silence s SET ended_at = pg_catalog.now() WHERE s.id = $1::int AND ${IN_FORCE} RETURNING ${SILENCE}`;
