import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import request from 'supertest';
import { PgkeepHttpModule, PgkeepModule, readSettings } from '../../src/index.js';
import { InstallService } from '../../src/install/install.service.js';
import { projectWith } from '../privacy/schema-project.js';
import { createClinic, query } from '../support/clinic.js';
import { faultsOf } from '../support/openapi-faults.js';
import { applyRules, CLINIC_SCHEMA } from '../support/policy.js';
import { ADMIN_TOKEN } from '../support/production.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';
import { WatchedService } from '../support/watched-service.js';

const bearer = `Bearer ${ADMIN_TOKEN}`;
const ASKED = { by: 'dpo', reason: 'letter of 12 May' };

describe('the routes about a person', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let service: WatchedService;
  let environment: Record<string, string>;
  let user: { id: number; children: number };

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createClinic(own, 'clinic', { seeded: true });
    environment = {
      DATABASE_URL: url,
      ADMIN_API_TOKEN: ADMIN_TOKEN,
      MIGRATIONS_DIR: projectWith(readFileSync(CLINIC_SCHEMA, 'utf8')),
    };
    service = await WatchedService.start(environment);
    await service.app.get(InstallService).install();
    await applyRules(url);
    const { rows } = await query(
      url,
      `SELECT p.user_id AS id, count(*)::int AS children FROM parents p JOIN children c ON c.parent_id = p.id
        WHERE p.deleted_at IS NULL GROUP BY 1 ORDER BY 1 LIMIT 1`,
    );
    user = rows[0];
  });
  afterAll(async () => {
    await service.close();
    await own.cluster.destroy();
  });

  type Method = 'get' | 'post' | 'put' | 'delete';
  const send = (method: Method, route: string): request.Test =>
    request(service.url)[method](`/admin/privacy/${route}`).set('authorization', bearer);

  it('ask for the token, and are never stored', async () => {
    const answer = await request(service.url).get(`/admin/privacy/User/${user.id}/export`);
    expect([answer.status, answer.body.code]).toEqual([401, 'ADMIN_TOKEN_REQUIRED']);
    expect(answer.headers['cache-control']).toBe('no-store');
  });

  it('mark, restore, hold, release and anonymize a record', async () => {
    const route = `User/${user.id}`;
    const marked = await send('post', `${route}/soft-delete`).send(ASKED);
    expect([marked.status, marked.headers['cache-control']]).toEqual([200, 'no-store']);
    expect(faultsOf('Receipt', marked.body)).toEqual([]);
    expect(marked.body).toMatchObject({
      what: 'soft-delete',
      id: String(user.id),
      rows: { User: 1, Parent: 1 },
    });
    const again = await send('post', `${route}/soft-delete`).send(ASKED);
    expect([again.status, again.body.code]).toEqual([409, 'PRIVACY_REFUSED']);
    expect(faultsOf('Problem', again.body)).toEqual([]);
    expect((await send('post', `${route}/restore`).send(ASKED)).body).toMatchObject({
      what: 'restore-record',
    });
    const held = await send('put', `${route}/hold`).send({ ...ASKED, until: '2099-01-31' });
    expect(faultsOf('Hold', held.body)).toEqual([]);
    expect(held.body).toMatchObject({ held: true, changed: true, until: '2099-01-31' });
    const refused = await send('post', `${route}/anonymize`).send(ASKED);
    expect([refused.status, refused.body.code, refused.body.detail]).toEqual([
      409,
      'RECORD_HELD',
      `Refused to anonymize User ${user.id}: a legal hold keeps it. Nothing was changed.`,
    ]);
    expect((await send('delete', `${route}/hold`).send(ASKED)).body).toMatchObject({
      held: false,
      changed: true,
    });
    const anonymized = await send('post', `${route}/anonymize`).send(ASKED);
    expect(faultsOf('Receipt', anonymized.body)).toEqual([]);
    expect(anonymized.body).toMatchObject({
      rows: { User: 1, Parent: 1 },
      copies: { value: { backups: 0, until: null, pinned: [] } },
    });
    const { rows } = await query(
      url,
      `SELECT DISTINCT actor FROM pgkeep.change_log WHERE action = 'anonymize'`,
    );
    expect(rows).toEqual([{ actor: 'admin token (http)' }]);
  });

  it.each<[Method, string, object, number, string]>([
    ['post', 'User/0/anonymize', ASKED, 404, 'User 0 was not found. Nothing was changed.'],
    ['post', 'Usr/1/anonymize', ASKED, 400, 'The Prisma schema has no model "Usr".'],
    ['get', 'User/0/export', {}, 404, 'User 0 was not found. Nothing was changed.'],
    ['get', 'User/1/export?by=a&by=b', {}, 400, 'The query parameter by must be one text.'],
    [
      'post',
      'User/1/anonymize',
      {},
      400,
      'The request body is not valid: by must be a text: who asks for it; reason must be a text: why.',
    ],
    [
      'post',
      'User/1/anonymize',
      { ...ASKED, by: 7 },
      400,
      'The request body is not valid: by must be a text: who asks for it.',
    ],
    [
      'post',
      'User/1/anonymize',
      { ...ASKED, confirm: '1' },
      400,
      'The request body is not valid: there is no parameter confirm.',
    ],
    [
      'put',
      'User/1/hold',
      { ...ASKED, until: 'soon' },
      400,
      'The request body is not valid: until must be a date: 2027-03-31.',
    ],
    [
      'put',
      'User/1/hold',
      { ...ASKED, until: '2027-02-31' },
      400,
      '"2027-02-31" is not a date. Nothing was changed.',
    ],
    [
      'put',
      'User/1/hold',
      { ...ASKED, until: '2026-01-31' },
      409,
      'Refused to hold User 1: 2026-01-31 is past. Nothing was changed.',
    ],
    ['post', 'User/1/erase', ASKED, 404, 'Cannot POST /admin/privacy/User/1/erase'],
  ])('refuse %s %s %j', async (method, route, body, status, detail) => {
    const answer = await send(method, route).send(method === 'get' ? undefined : body);
    expect([answer.status, answer.body.detail]).toEqual([status, detail]);
    expect(faultsOf('Problem', answer.body)).toEqual([]);
  });

  it('stream an export, and break it off with the client', async () => {
    const { id } = (await query(url, `SELECT user_id AS id FROM parents ORDER BY id DESC LIMIT 1`)).rows[0];
    const answer = await send('get', `User/${id}/export?by=dpo&reason=request`);
    expect([answer.status, answer.headers['content-type'], answer.headers['cache-control']]).toEqual([
      200,
      'application/json; charset=utf-8',
      'no-store',
    ]);
    expect(faultsOf('SubjectExport', answer.body)).toEqual([]);
    expect(answer.body).toMatchObject({
      subject: { model: 'User', id: String(id) },
      data: { User: [{ id }] },
    });
    const exports = async () =>
      (await query(url, `SELECT FROM pgkeep.privacy_action WHERE action = 'export-data'`)).rows.length;
    expect(await exports()).toBe(1);
    await query(
      url,
      `INSERT INTO sessions (child_id, examiner_id, posyandu_id, examined_at, age_months, weight_kg, height_cm, diagnosis)
       SELECT c.id, c.registered_by_id, c.posyandu_id, now(), 9, 9, 70, repeat('x', 100)
         FROM generate_series(1, 60000), LATERAL (SELECT c.* FROM children c JOIN parents p ON p.id = c.parent_id WHERE p.user_id = ${user.id} LIMIT 1) c`,
    );
    const leaving = new AbortController();
    const response = await fetch(`${service.url}/admin/privacy/User/${user.id}/export`, {
      headers: { authorization: bearer },
      signal: leaving.signal,
    });
    await response.body?.getReader().read();
    leaving.abort();
    await until(
      async () =>
        (await query(url, `SELECT FROM pg_stat_activity WHERE application_name = 'pgkeep privacy'`)).rows
          .length === 0,
    );
    expect(await exports()).toBe(1);
  });

  it.each([
    ['Express', () => new ExpressAdapter()],
    ['Fastify', () => new FastifyAdapter()],
  ])(
    'break an export off where the database does, so that a part is not taken for all: %s',
    async (_name, adapter) => {
      @Module({ imports: [PgkeepModule.forRoot(readSettings(environment)), PgkeepHttpModule] })
      class Host {}
      const app = await NestFactory.create(Host, adapter(), { logger: false });
      await app.listen(0, '127.0.0.1');
      try {
        const route = `${await app.getUrl()}/admin/privacy/User/${user.id}/export`;
        const headers = { authorization: bearer };
        const complete = await fetch(route, { headers });
        expect(faultsOf('SubjectExport', await complete.json())).toEqual([]);
        const response = await fetch(route, { headers });
        const reader = response.body?.getReader();
        await reader?.read();
        await query(
          url,
          `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pgkeep privacy'`,
        );
        const rest = async (): Promise<unknown> => {
          while (!(await reader?.read())?.done);
          return 'complete';
        };
        await expect(rest()).rejects.toThrow('terminated');
      } finally {
        await app.close();
      }
    },
  );
});
