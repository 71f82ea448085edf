import { afterEach, describe, expect, it } from '@jest/globals';
import {
  type CanActivate,
  type ExecutionContext,
  ForbiddenException,
  type INestApplication,
  Module,
} from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { PgkeepHttpModule, PgkeepModule, readSettings } from '../../src/index.js';
import { Issuer } from '../support/issuer.js';
import { ADMIN_TOKEN } from '../support/production.js';

/** The application's guard: refuses one header, and says that every other request is its administrator’s. */
class OwnGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<{ headers: Record<string, string>; user?: object }>();
    if (request.headers['x-blocked'] !== undefined) throw new ForbiddenException('not from here');
    request.user = { id: 'ani', roles: ['admin'], role: 'admin' };
    return true;
  }
}

describe.each(['express', 'fastify'] as const)('an application on %s with its own guard', (framework) => {
  let app: INestApplication;
  let issuer: Issuer;
  afterEach(async () => {
    await app.close();
    await issuer.close();
  });

  async function listen(): Promise<string> {
    issuer = await Issuer.start();
    const settings = readSettings({
      // The requests here are refused before a database is needed.
      DATABASE_URL: 'postgresql://u@127.0.0.1:1/db',
      ADMIN_API_TOKEN: ADMIN_TOKEN,
      BACKUP_ENABLED: 'true',
      ...issuer.settings,
    });
    @Module({
      imports: [PgkeepModule.forRoot(settings), PgkeepHttpModule],
      providers: [{ provide: APP_GUARD, useClass: OwnGuard }],
    })
    class Application {}
    const adapter = framework === 'fastify' ? new FastifyAdapter() : new ExpressAdapter();
    app = await NestFactory.create(Application, adapter, { logger: false, abortOnError: false });
    await app.listen(0, '127.0.0.1');
    return await app.getUrl();
  }

  it('has both: its guard refuses first, and its user has no role here', async () => {
    const url = await listen();
    const send = async (headers: Record<string, string>): Promise<readonly [number, unknown]> => {
      const response = await fetch(`${url}/admin/backups`, { method: 'POST', headers });
      const body: { code: string } = JSON.parse(await response.text());
      return [response.status, body.code];
    };
    const bearer = async (role: string): Promise<Record<string, string>> => ({
      authorization: `Bearer ${await issuer.sign({ roles: [`pgkeep-${role}`] })}`,
    });
    expect(await send({})).toEqual([401, 'ADMIN_TOKEN_REQUIRED']);
    expect(await send({ authorization: `Bearer ${ADMIN_TOKEN}`, 'x-blocked': '1' })).toEqual([
      403,
      'REQUEST_REFUSED',
    ]);
    expect(await send(await bearer('viewer'))).toEqual([403, 'ROLE_REQUIRED']);
    expect(await send(await bearer('operator'))).toEqual([503, 'DATABASE_UNREACHABLE']);
    expect(await send({ authorization: `Bearer ${ADMIN_TOKEN}` })).toEqual([503, 'DATABASE_UNREACHABLE']);
  });
});
