import { identifier } from '../../core/text.js';
import { defineProbe } from '../probe.js';

interface Row {
  readonly role: string;
  readonly at: string;
  readonly days: number;
}

const CODES = {
  PASSWORD_EXPIRES: {
    meaning:
      'The password of the role that pgkeep uses expires within 14 days; critical when it has expired.',
    remedy: 'Set a new password, then a new date.',
  },
} as const;

const WARNING_DAYS = 14;

/** Finds a password that soon stops working. */
export const passwords = defineProbe<Row, keyof typeof CODES>({
  name: 'passwords',
  tier: 'hour',
  cost: '0.1 ms',
  codes: CODES,
  sql: () => `
    SELECT r.rolname AS role, pg_catalog.to_char(r.rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS at, (extract(epoch FROM r.rolvaliduntil - pg_catalog.now()) / 86400)::float8 AS days
      FROM pg_catalog.pg_roles r
     WHERE r.rolname = session_user AND r.rolvaliduntil > '-infinity' AND r.rolvaliduntil < '9999-01-01'`,
  judge: ([expiry]) => ({
    ...(expiry && { passwordExpiry: { role: expiry.role, at: expiry.at } }),
    findings: (expiry && expiry.days < WARNING_DAYS ? [expiry] : []).map(({ role, days }) => ({
      code: 'PASSWORD_EXPIRES',
      severity: days <= 0 ? 'critical' : 'warning',
      subject: role,
      text:
        days <= 0
          ? `The password of role ${role} has expired: new connections with it fail`
          : `The password of role ${role} expires in ${Math.max(1, Math.round(days))} days`,
      sql: `ALTER ROLE ${identifier(role)} VALID UNTIL '…';`,
    })),
  }),
});
