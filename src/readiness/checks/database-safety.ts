import { Injectable } from '@nestjs/common';
import type { DatabaseSettings } from '../../config/settings.js';
import { verifiesServer } from '../../postgres/connection-candidates.js';
import type { DatabaseFaultCode } from '../../postgres/database-fault.js';
import type { TlsFacts } from '../../postgres/server-facts.js';
import {
  defineCheck,
  outcomeInProduction,
  type CheckContext,
  type CheckOutcome,
  type CodeText,
  type Finding,
} from '../check.js';
import { CheckHealthIndicator } from '../health-indicator.js';
import type { Fact, ServerState } from '../readiness.types.js';

const CODES = {
  SSL_REQUIRED: {
    meaning: 'The connection is not encrypted (checked at the socket and in `pg_stat_ssl`).',
    remedy: 'Set `sslmode=verify-full` in the URL, and switch TLS on at the server.',
  },
  DB_PUSH_ALLOWED: {
    meaning: '`PRISMA_DB_PUSH_ALLOWED=true`.',
    remedy: 'Remove the setting.',
  },
  MAX_CONNECTIONS_UNSET: {
    meaning: 'The number of connections is not limited explicitly.',
    remedy: 'Set `DATABASE_MAX_CONNECTIONS`.',
  },
  MAX_CONNECTIONS_OUT_OF_RANGE: {
    meaning: '`DATABASE_MAX_CONNECTIONS` is not between 1 and 100.',
    remedy: 'Choose a value in that range.',
  },
  MAX_CONNECTIONS_EXCEED_SERVER: {
    meaning: '`DATABASE_MAX_CONNECTIONS` is more than `max_connections` less the reserved connections.',
    remedy: 'Lower it, or raise `max_connections`.',
  },
  TIMEOUT_DISABLED: {
    meaning: 'A timeout is 0, which means no timeout.',
    remedy: 'Set a value, or remove the setting.',
  },
} as const satisfies Record<string, CodeText>;

type Code = keyof typeof CODES;

/** Reports the check `databaseSafety` in an application's own health check. */
@Injectable()
export class DatabaseSafetyHealthIndicator extends CheckHealthIndicator {
  readonly name = 'databaseSafety';
}

export const databaseSafety = defineCheck({
  name: 'databaseSafety',
  question: 'Is the connection safe enough for production?',
  gate: 'enforce',
  restsOn: 'server',
  codes: CODES,
  notes: `Fails in production only. Reported without failing: a server whose certificate is not verified, and a
[DDL guard](guard.md#ddl-guard) that is missing or switched off.`,
  indicator: DatabaseSafetyHealthIndicator,
  judge,
});

function judge(context: CheckContext): CheckOutcome<Code | DatabaseFaultCode> {
  const { server } = context.facts;
  const { database } = context.settings;
  const failing = [...settingFindings(database), ...serverFindings(database, server)];
  const notes = connectionNotes(database, server);
  notes.push(...ddlGuardNotes(server));
  return outcomeInProduction(context, summaryOf(database, server), { failing, notes });
}

function settingFindings({
  dbPushAllowed,
  maxConnections,
  disabledTimeouts,
}: DatabaseSettings): Finding<Code>[] {
  const findings: Finding<Code>[] = [];
  if (dbPushAllowed) {
    findings.push({
      code: 'DB_PUSH_ALLOWED',
      text: "PRISMA_DB_PUSH_ALLOWED must not be 'true' in production",
    });
  }
  if (maxConnections === undefined) {
    findings.push({
      code: 'MAX_CONNECTIONS_UNSET',
      text: 'DATABASE_MAX_CONNECTIONS must be set in production',
    });
  } else if (maxConnections < 1 || maxConnections > 100) {
    findings.push({
      code: 'MAX_CONNECTIONS_OUT_OF_RANGE',
      text: `DATABASE_MAX_CONNECTIONS must be from 1 to 100, not ${maxConnections}`,
    });
  }
  for (const name of disabledTimeouts) {
    findings.push({ code: 'TIMEOUT_DISABLED', text: `${name} must not be 0 (no timeout) in production` });
  }
  return findings;
}

function serverFindings(
  { maxConnections }: DatabaseSettings,
  server: Fact<ServerState>,
): Finding<Code | DatabaseFaultCode>[] {
  if ('reason' in server) {
    return [
      { code: server.reason.code, text: `Encryption and connection limits not known: ${server.reason.text}` },
    ];
  }
  const findings: Finding<Code>[] = [];
  if (!isEncrypted(server.value.tls)) {
    findings.push({ code: 'SSL_REQUIRED', text: 'Database connection must use SSL in production' });
  }
  const allowed = server.value.maxConnections - server.value.reservedConnections;
  if (maxConnections !== undefined && maxConnections > allowed) {
    findings.push({
      code: 'MAX_CONNECTIONS_EXCEED_SERVER',
      text: `DATABASE_MAX_CONNECTIONS is ${maxConnections}, but the server allows ${allowed} (max_connections ${server.value.maxConnections}, ${server.value.reservedConnections} reserved)`,
    });
  }
  return findings;
}

/**
 * Both ends must see TLS. Where something stands between, the server's end is that other hop (a pooler that
 * ends TLS, as managed services run them) and is reported instead.
 */
function isEncrypted({ protocol, serverSeesTls, behindProxy }: TlsFacts): boolean {
  return protocol !== undefined && (serverSeesTls || behindProxy);
}

function summaryOf(settings: DatabaseSettings, server: Fact<ServerState>): string {
  if ('reason' in server) return 'not connected';
  const { tls, maxConnections } = server.value;
  return `${tls.protocol ?? 'no TLS'}, ${settings.poolSize} of ${maxConnections} connections`;
}

function connectionNotes(settings: DatabaseSettings, server: Fact<ServerState>): string[] {
  if ('reason' in server || server.value.tls.protocol === undefined) return [];
  const { serverSeesTls, behindProxy } = server.value.tls;
  const notes: string[] = [];
  if (!verifiesServer(settings.pooledUrl)) {
    notes.push('the server’s certificate is not verified: set sslmode=verify-full');
  }
  if (behindProxy && !serverSeesTls) {
    notes.push('TLS ends at a proxy or pooler: the server sees an unencrypted connection');
  }
  return notes;
}

/**
 * The guard refuses DROP and TRUNCATE in the server itself. It is for production, and only reported: many roles may not
 * install it.
 */
function ddlGuardNotes(server: Fact<ServerState>): string[] {
  if ('reason' in server) return [];
  const { ddlGuard, isSuperuser, role } = server.value;
  if (ddlGuard === 'on' || ddlGuard === undefined) return [];
  const what = ddlGuard === 'off' ? 'is switched off' : 'is not installed';
  const who = isSuperuser ? '' : ` as a superuser (role "${role}" is not one)`;
  return [`the DDL guard against DROP and TRUNCATE ${what}: run \`pgkeep install --ddl-guard\`${who}`];
}
