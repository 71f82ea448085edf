import type { DatabaseSettings, EnvironmentName } from '../../config/settings.js';
import { verifiesServer } from '../../postgres/connection-candidates.js';
import type { ServerFacts, TlsFacts } from '../../postgres/server-facts.js';
import { outcomeOf, outsideProduction } from '../outcome.js';
import type { CheckOutcome, Finding, Known } from '../readiness.types.js';

/** Is the connection encrypted, are pool and timeouts bounded, is `db push` off? Fails in production only. */
export function checkDatabaseSafety(
  environment: EnvironmentName,
  settings: DatabaseSettings,
  server: Known<ServerFacts>,
): CheckOutcome {
  const failing = [...settingFindings(settings), ...serverFindings(settings, server)];
  const summary = summaryOf(settings, server);
  const told = toldOf(settings, server);
  if (environment !== 'production') return outsideProduction(summary, { failing, told });
  return outcomeOf(summary, { failing, told: [...told, ...ddlGuardOf(server)] });
}

function settingFindings({ dbPushAllowed, maxConnections, disabledTimeouts }: DatabaseSettings): Finding[] {
  const findings: Finding[] = [];
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
    findings.push({ code: 'TIMEOUT_DISABLED', text: `${name} must not be 0 (wait for ever) in production` });
  }
  return findings;
}

function serverFindings({ maxConnections }: DatabaseSettings, server: Known<ServerFacts>): Finding[] {
  if ('fault' in server) {
    return [
      { code: server.fault.code, text: `Encryption and connection limits not known: ${server.fault.text}` },
    ];
  }
  const findings: Finding[] = [];
  if (!isEncrypted(server.value.tls)) {
    findings.push({ code: 'SSL_REQUIRED', text: 'Database connection must use SSL in production' });
  }
  const room = server.value.maxConnections - server.value.reservedConnections;
  if (maxConnections !== undefined && maxConnections > room) {
    findings.push({
      code: 'MAX_CONNECTIONS_EXCEED_SERVER',
      text: `DATABASE_MAX_CONNECTIONS is ${maxConnections}, but the server has room for ${room} (max_connections ${server.value.maxConnections}, ${server.value.reservedConnections} reserved)`,
    });
  }
  return findings;
}

/**
 * Both ends must see TLS. Where something stands between, the server's end is that other hop (a pooler that
 * ends TLS, as managed services run them) and is told instead.
 */
function isEncrypted({ protocol, serverSeesTls, behindProxy }: TlsFacts): boolean {
  return protocol !== undefined && (serverSeesTls || behindProxy);
}

function summaryOf(settings: DatabaseSettings, server: Known<ServerFacts>): string {
  if ('fault' in server) return 'not connected';
  const { tls, maxConnections } = server.value;
  return `${tls.protocol ?? 'no TLS'}, ${settings.poolSize} of ${maxConnections} connections`;
}

function toldOf(settings: DatabaseSettings, server: Known<ServerFacts>): string[] {
  if ('fault' in server || server.value.tls.protocol === undefined) return [];
  const { serverSeesTls, behindProxy } = server.value.tls;
  const told: string[] = [];
  if (!verifiesServer(settings.pooledUrl)) {
    told.push('the server’s certificate is not verified (sslmode=verify-full does)');
  }
  if (behindProxy && !serverSeesTls) {
    told.push('TLS ends at a proxy or pooler: the server sees an unencrypted connection');
  }
  return told;
}

/** The guard that refuses DROP and TRUNCATE in the server itself: worth knowing, and many roles may not install it. */
function ddlGuardOf(server: Known<ServerFacts>): string[] {
  if ('fault' in server || server.value.ddlGuard === 'on') return [];
  const { ddlGuard, isSuperuser, role } = server.value;
  const what = ddlGuard === 'off' ? 'is switched off' : 'is not installed';
  const who = isSuperuser ? '' : ` as a superuser, which role "${role}" is not`;
  return [`the DDL guard against DROP and TRUNCATE ${what}: \`pgkeep install --ddl-guard\`${who}`];
}
