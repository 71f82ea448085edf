import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Module, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Client } from 'pg';
import request from 'supertest';
import { createClinicClient, type ClinicClient } from '../../examples/clinic/app/clinic-client.js';
import { ClinicModule } from '../../examples/clinic/app/clinic.module.js';
import { currentActor, runAsActor } from '../../src/client.js';
import { PGKEEP_CLIENT, PgkeepClientModule } from '../../src/client/nest/pgkeep-client.module.js';
import { freePort } from '../../src/cluster/postmaster.js';
import { InstallService } from '../../src/install/install.service.js';
import { withApp } from '../support/app.js';
import { createClinic, query } from '../support/clinic.js';
import { changedUrl } from '../support/guarded-database.js';
import { applyRules } from '../support/policy.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';
import { until } from '../support/until.js';

let own: ThrowAwayCluster;
let superuser: string;
let url: string;
let prisma: ClinicClient;
let app: INestApplication;

beforeAll(async () => {
  own = await startThrowAwayCluster();
  superuser = await createClinic(own, 'clinic', { seeded: true });
  await withApp(superuser, (pgkeep) => pgkeep.get(InstallService).install());
  await applyRules(superuser);
  await query(
    superuser,
    `CREATE ROLE clinic_app LOGIN PASSWORD 'app'; GRANT USAGE ON SCHEMA public TO clinic_app;
     GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clinic_app`,
  );
  url = changedUrl(superuser, { username: 'clinic_app', password: 'app' });
  prisma = createClinicClient({ environment: { DATABASE_URL: url } });
  app = await NestFactory.create(ClinicModule.forRoot(prisma), { logger: false });
  await app.listen(0, '127.0.0.1');
});

afterAll(async () => {
  await app?.close();
  await own?.cluster.destroy();
});

const clinic = () => request(app.getHttpServer());

async function one(sql: string): Promise<unknown> {
  return (await query(superuser, sql)).rows[0];
}

describe('the clinic’s application', () => {
  it('lists and shows children, sessions and users, without what is deleted and without secrets', async () => {
    const children = await clinic().get('/children?after=630').expect(200);
    expect(children.body).toHaveLength(20);
    expect(children.body[0]).toMatchObject({ id: 631, _count: { sessions: expect.any(Number) } });
    // Marked as deleted.
    expect(children.body.map(({ id }: { id: number }) => id)).not.toContain(640);
    const child = await clinic().get('/children/1').expect(200);
    expect(child.body.parent.user).not.toHaveProperty('passwordHash');
    const sessions = await clinic().get('/sessions?child=1').expect(200);
    expect(sessions.body.length).toBeGreaterThan(0);
    const session = await clinic().get(`/sessions/${sessions.body[0].id}`).expect(200);
    expect(session.body.steps.length).toBeGreaterThan(0);
    const report = await clinic().get('/sessions/report').expect(200);
    expect(Object.keys(report.body).toSorted()).toEqual(['COMPLETED', 'IN_PROGRESS', 'REFERRED']);
  });

  it('answers 404 for a record that is marked as deleted, or was never there', async () => {
    for (const path of ['/children/640', '/children/999999', '/users/24']) {
      const { body, headers } = await clinic().get(path).expect(404);
      expect(headers['content-type']).toContain('application/problem+json');
      expect(body).toEqual({
        type: 'about:blank',
        title: 'Not Found',
        status: 404,
        code: 'P2025',
        detail: 'There is no such record.',
      });
    }
  });

  it('refuses to delete a child', async () => {
    const { body } = await clinic().delete('/children/1').expect(409);
    expect(body).toEqual({
      type: 'about:blank',
      title: 'Conflict',
      status: 409,
      code: 'PK004',
      detail: 'pgkeep: DELETE of public.children is refused: its rows are never deleted',
      hint: expect.any(String),
    });
    expect(await one('SELECT deleted_at FROM children WHERE id = 1')).toEqual({ deleted_at: null });
  });

  it('corrects a child with a reason, and not without', async () => {
    const body = { fullName: 'Corrected Name' };
    await clinic().patch('/children/2').send(body).expect(400);
    const corrected = await clinic()
      .patch('/children/2')
      .set('x-staff', 'nurse-7')
      .send({ ...body, reason: 'name misspelled' })
      .expect(200);
    expect(corrected.body.fullName).toBe('Corrected Name');
    expect(await one(`SELECT reason, actor FROM pgkeep.correction`)).toEqual({
      reason: 'name misspelled',
      actor: 'nurse-7',
    });
  });

  it('marks a user as deleted by whoever calls, hides her, exports her, and restores her', async () => {
    await clinic().delete('/users/30').send({}).expect(400);
    const unknown = await clinic().delete('/users/999999').send({ reason: 'left' }).expect(404);
    expect(unknown.body).toMatchObject({ title: 'Not Found', code: 'RECORD_NOT_FOUND' });
    const receipt = await clinic()
      .delete('/users/30')
      .set('x-staff', 'admin-1')
      .send({ reason: 'User requested deletion' })
      .expect(200);
    expect(receipt.body).toMatchObject({ model: 'User', id: 30, rows: { User: 1 } });
    expect(await one('SELECT deleted_by FROM users WHERE id = 30')).toEqual({ deleted_by: 'admin-1' });
    await clinic().get('/users/30').expect(404);
    const exported = await clinic().get('/users/30/export').expect(200);
    expect(exported.body).toMatchObject({
      subject: { model: 'User', id: 30 },
      omitted: ['User.passwordHash'],
    });
    await clinic()
      .post('/users/30/restore')
      .set('x-staff', 'admin-1')
      .send({ reason: 'by mistake' })
      .expect(200);
    await clinic().get('/users/30').expect(200);
  });

  it('knows the caller of each of many concurrent requests', async () => {
    const ids = Array.from({ length: 20 }, (_, index) => 100 + index);
    await Promise.all(
      ids.map(async (id) => {
        await clinic()
          .delete(`/users/${id}`)
          .set('x-staff', `staff-${id}`)
          .send({ reason: 'left' })
          .expect(200);
      }),
    );
    const { rows } = await query(superuser, 'SELECT id, deleted_by FROM users WHERE id BETWEEN 100 AND 119');
    expect(rows.filter(({ id, deleted_by: by }) => by !== `staff-${id}`)).toEqual([]);
  });
});

describe('PgkeepClientModule', () => {
  const open = async (databaseUrl: string) => {
    const client = createClinicClient({ environment: { DATABASE_URL: databaseUrl } });
    return await NestFactory.create(ClinicModule.forRoot(client), { logger: false, abortOnError: false });
  };

  it('fails the start of the application where the database cannot be reached, after three tries', async () => {
    const port = await freePort();
    const down = await open(`postgresql://app@127.0.0.1:${port}/clinic`);
    await expect(down.init()).rejects.toMatchObject({
      code: 'DATABASE_UNREACHABLE',
      message: `Cannot connect to 127.0.0.1:${port}/clinic: connect ECONNREFUSED 127.0.0.1:${port}`,
    });
  });

  it('closes the connections at the shutdown, after the requests that run', async () => {
    const named = changedUrl(url, {}, { application_name: 'closing' });
    const closing = await open(named);
    await closing.listen(0, '127.0.0.1');
    const sessions = async () =>
      await query(superuser, `SELECT 1 FROM pg_stat_activity WHERE application_name = 'closing'`);
    expect((await sessions()).rows.length).toBeGreaterThan(0);
    const holder = new Client({ connectionString: superuser });
    await holder.connect();
    await holder.query('BEGIN; LOCK TABLE children');
    const answer = request(closing.getHttpServer())
      .get('/children/1')
      .then(({ status }) => status);
    const waiting = `SELECT 1 FROM pg_stat_activity WHERE application_name = 'closing' AND wait_event_type = 'Lock'`;
    await until(async () => (await query(superuser, waiting)).rows.length === 1);
    const closed = closing.close();
    await holder.query('COMMIT');
    await holder.end();
    expect(await answer).toBe(200);
    await closed;
    await until(async () => (await sessions()).rows.length === 0);
  });

  it('takes its options from other providers, and jobs say who they are', async () => {
    @Module({ providers: [{ provide: 'url', useValue: url }], exports: ['url'] })
    class Vault {}
    @Module({
      imports: [
        PgkeepClientModule.forRootAsync({
          imports: [Vault],
          inject: ['url'],
          useFactory: (given: string) => ({
            client: createClinicClient({ environment: { DATABASE_URL: given } }),
          }),
        }),
      ],
    })
    class Jobs {}
    const jobs = await NestFactory.createApplicationContext(Jobs, { logger: false });
    try {
      const client = jobs.get<ClinicClient>(PGKEEP_CLIENT, { strict: false });
      await runAsActor(
        () => 'nightly import',
        async () => await client.user.delete({ where: { id: 130 } }),
      );
      expect(await one('SELECT deleted_by FROM users WHERE id = 130')).toEqual({
        deleted_by: 'nightly import',
      });
      expect(currentActor()).toBeUndefined();
    } finally {
      await jobs.close();
    }
  });
});
