import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Role } from '../../src/access/access.types.js';
import { openApiDocument } from '../../src/http/openapi-document.js';
import { PgkeepHttpModule } from '../../src/http/pgkeep-http.module.js';
import { REQUIRED_ROLE } from '../../src/http/requires.js';
import { faultsOf } from '../support/openapi-faults.js';
import { ADMIN_TOKEN } from '../support/production.js';
import { WatchedService } from '../support/watched-service.js';

/** A route as `GET /admin/jobs/{id}`, and the role that it demands; undefined: none. */
type Demands = Readonly<Record<string, Role | undefined>>;

interface Operation {
  readonly operationId: string;
  readonly security?: readonly Readonly<Record<string, readonly Role[]>>[];
}

/** Returns what the OpenAPI document says. */
function documented(): Demands {
  const paths: Readonly<Record<string, Readonly<Record<string, Operation>>>> = openApiDocument().paths;
  return Object.fromEntries(
    Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations).map(([method, { security = [] }]) => [
        `${method.toUpperCase()} ${path}`,
        security.flatMap(({ bearer = [] }) => bearer)[0],
      ]),
    ),
  );
}

/** Nest's numbers of the methods. */
const METHODS = ['GET', 'POST', 'PUT', 'DELETE'];

/** Returns what the decorators of the routes demand. */
function demanded(): Demands {
  const controllers: { prototype: object }[] = Reflect.getMetadata('controllers', PgkeepHttpModule);
  return Object.fromEntries(
    controllers.flatMap((controller) => {
      const base: string = Reflect.getMetadata('path', controller);
      return Object.getOwnPropertyNames(controller.prototype).flatMap((name) => {
        const handler: unknown = Reflect.get(controller.prototype, name);
        if (name === 'constructor' || typeof handler !== 'function') return [];
        const path: string | undefined = Reflect.getMetadata('path', handler);
        if (path === undefined) return [];
        const route = `/${[base, path].filter((part) => part !== '/').join('/')}`.replaceAll(
          /:(\w+)/g,
          '{$1}',
        );
        const role: Role | undefined =
          Reflect.getMetadata(REQUIRED_ROLE, handler) ?? Reflect.getMetadata(REQUIRED_ROLE, controller);
        return [[`${METHODS[Reflect.getMetadata('method', handler)]} ${route}`, role]];
      });
    }),
  );
}

describe('the roles of the routes', () => {
  /** The requests here are refused before a database is needed. */
  let service: WatchedService;
  beforeAll(async () => {
    service = await WatchedService.start({
      DATABASE_URL: 'postgresql://u@127.0.0.1:1/db',
      ADMIN_API_TOKEN: ADMIN_TOKEN,
      TRUST_PROXY: '127.0.0.1',
    });
  });
  afterAll(async () => await service.close());

  it('are documented as they are demanded', () => {
    // The guard of /metrics accepts its own token as well.
    expect(documented()).toEqual({ ...demanded(), 'GET /metrics': 'viewer' });
  });

  it('are demanded by every route of /admin: reading needs the least, personal data the most', () => {
    const admin = Object.entries(documented()).filter(([route]) => route.includes(' /admin/'));
    expect(admin.length).toBeGreaterThan(12);
    const expected = (route: string): Role =>
      route.includes('/privacy') ? 'admin' : route.startsWith('GET') ? 'viewer' : 'operator';
    expect(admin).toEqual(admin.map(([route]) => [route, expected(route)]));
  });

  it.each(Object.keys(documented()).filter((route) => route.includes(' /admin/')))(
    '%s refuses who is not recognized, and says what to do',
    async (route) => {
      const [method = '', path = ''] = route.split(' ');
      const send = async (headers: Record<string, string>): Promise<Response> =>
        await fetch(service.url + path.replaceAll(/[{}]/g, ''), { method, headers });
      // Each route by another client, so that none is refused for the failures of others.
      const client = { 'x-forwarded-for': `2001:db8:${path.length}:${route.length}::1` };
      const unknown = await send(client);
      const body: unknown = await unknown.json();
      expect([unknown.status, unknown.headers.get('content-type')]).toEqual([
        401,
        'application/problem+json; charset=utf-8',
      ]);
      expect(faultsOf('Problem', body)).toEqual([]);
      expect(body).toMatchObject({ code: 'ADMIN_TOKEN_REQUIRED', hint: expect.stringMatching(/Bearer/) });
      if (method === 'GET') return;
      const crossSite = await send({
        authorization: `Bearer ${ADMIN_TOKEN}`,
        'sec-fetch-site': 'cross-site',
      });
      expect([crossSite.status, await crossSite.json()]).toEqual([
        403,
        expect.objectContaining({ code: 'CROSS_SITE_REFUSED', hint: expect.any(String) }),
      ]);
    },
  );
});
