import type { Environment } from '../../src/config/read-settings.js';
import { backupDirectory } from './backups.js';
import { changedUrl, type GuardedDatabase } from './guarded-database.js';
import { ADMIN_TOKEN } from './production.js';
import { TcpProxy } from './tcp-proxy.js';
import { WatchedService } from './watched-service.js';

/** A service, and what lies between it and its database: a test can cut them off from each other. */
export interface ServiceBehindProxy {
  readonly service: WatchedService;
  readonly proxy: TcpProxy;
}

/** Starts a service that reaches its database through a proxy. It needs no backup to become ready. */
export async function startBehindProxy(
  { url, migrationsDirectory }: GuardedDatabase,
  environment: Environment = {},
): Promise<ServiceBehindProxy> {
  const proxy = await TcpProxy.to(Number(new URL(url).port));
  const service = await WatchedService.start({
    DATABASE_URL: changedUrl(url, { hostname: '127.0.0.1', port: String(proxy.port) }),
    MIGRATIONS_DIR: migrationsDirectory,
    ADMIN_API_TOKEN: ADMIN_TOKEN,
    BACKUP_ENABLED: 'true',
    BACKUP_DIR: backupDirectory(),
    READINESS_GATES: 'backups=warn,backupConfig=warn',
    READINESS_REFRESH_MS: '1500',
    READINESS_TIMEOUT_MS: '1400',
    ...environment,
  });
  return { service, proxy };
}
