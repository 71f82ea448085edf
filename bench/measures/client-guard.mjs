import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { PrismaPg } from '@prisma/adapter-pg';
import { pgkeepGuard } from '../../dist/client.js';
import { readGuardedModels } from '../../dist/client/guarded-models.js';
import { visiblePicks, visibleWhere } from '../../dist/client/visible-rows.js';
import { run } from '../../scripts/lib/run.mjs';
import { root } from '../../scripts/lib/project.mjs';
import { ms, percentile } from '../lib/numbers.mjs';

const SCHEMA = path.join(root, 'examples/clinic/prisma/schema.prisma');
/** Inside node_modules, so that the generated client finds Prisma's runtime. */
const GENERATED = path.join(root, 'node_modules/.cache/pgkeep-bench-client');
const BLOCKS = 60;
const BLOCK = 20;
const WARM_UP = 100;

/**
 * Queries of an application, and the most that the guard may add to the bare client.
 *
 * @type {Readonly<Record<string, {query: (client: any, index: number) => Promise<unknown>, percent?: number, addedMs?: number}>>}
 */
const SHAPES = {
  'findUnique by id': {
    query: (client, index) => client.child.findUnique({ where: { id: 1 + (index % 600) } }),
    addedMs: 0.1,
  },
  'findMany of 100 rows': {
    query: (client, index) =>
      client.session.findMany({ where: { id: { gte: index % 900 } }, take: 100, orderBy: { id: 'asc' } }),
    percent: 10,
  },
  'findMany of 20 rows with a list': {
    query: (client, index) =>
      client.child.findMany({
        where: { id: { gte: index % 900 } },
        take: 20,
        orderBy: { id: 'asc' },
        include: { sessions: true },
      }),
  },
  'findMany, three levels deep': {
    query: (client, index) =>
      client.parent.findMany({
        where: { id: { gte: index % 600 } },
        take: 10,
        orderBy: { id: 'asc' },
        include: { children: { include: { sessions: { include: { steps: true } } } } },
      }),
  },
  'count with a relation filter': {
    query: (client) => client.child.count({ where: { sessions: { some: { ageMonths: { gt: 30 } } } } }),
  },
  'update by id': {
    query: (client, index) =>
      client.user.update({
        where: { id: 1 + (index % 20) },
        data: { phone: String(index) },
        select: { id: true },
      }),
  },
  'upsert of a row that exists': {
    query: (client, index) => {
      const email = 'bench@klinik.example';
      const create = { email, passwordHash: '!', fullName: 'x', phone: '1', role: 'PARENT' };
      return client.user.upsert({
        where: { email },
        create,
        update: { phone: String(index) },
        select: { id: true },
      });
    },
  },
  'a model that reaches no soft-deleted row': {
    query: (client, index) => client.whoGrowthStandard.findUnique({ where: { id: 1 + (index % 200) } }),
  },
};

/**
 * What the guarded client adds to Prisma's: per query, beside a client with an extension that does nothing.
 *
 * @param {import('../lib/scene.mjs').Scene} scene
 * @returns {Promise<import('../lib/table.mjs').Row[]>}
 */
export async function clientGuard(scene) {
  const PrismaClient = await generatedClient();
  const connect = () =>
    new PrismaClient({
      adapter: new PrismaPg({ connectionString: scene.url('clinic'), max: 1, idleTimeoutMillis: 0 }),
    });
  const clients = [connect(), connect(), connect()];
  const [bare, below, guarded] = clients;
  const empty = below.$extends({
    query: {
      $allModels: {
        async $allOperations({ args, query }) {
          return await query(args);
        },
      },
    },
  });
  const contenders = { bare, empty, guarded: guarded.$extends(pgkeepGuard()) };
  try {
    /** @type {import('../lib/table.mjs').Row[]} */
    const rows = [];
    for (const [title, shape] of Object.entries(SHAPES))
      rows.push(await comparison(title, shape, contenders));
    return [...rewriting(), ...rows];
  } finally {
    await Promise.all(clients.map((client) => client.$disconnect()));
    rmSync(GENERATED, { recursive: true, force: true });
  }
}

/** Generates the clinic's client as JavaScript, which this program can load without a compiler. */
async function generatedClient() {
  rmSync(GENERATED, { recursive: true, force: true });
  mkdirSync(GENERATED, { recursive: true });
  const generator = `generator client {\n  provider = "prisma-client-js"\n  output = ${JSON.stringify(path.join(GENERATED, 'client'))}\n}\n`;
  const schema = path.join(GENERATED, 'schema.prisma');
  writeFileSync(schema, readFileSync(SCHEMA, 'utf8').replace(/generator client \{[^}]*\}/, generator));
  const prisma = path.join(root, 'node_modules/prisma/build/index.js');
  const env = { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1' };
  await run(process.execPath, [prisma, 'generate', '--schema', schema], { env });
  return createRequire(import.meta.url)(path.join(GENERATED, 'client')).PrismaClient;
}

/**
 * Compares CPU times of this process and of the backend, in blocks that alternate: wall times of a busy machine say
 * little. The 10th percentile, because what disturbs a block only adds to it.
 *
 * @param {string} title
 * @param {(typeof SHAPES)[string]} shape
 * @param {Readonly<Record<string, any>>} contenders
 */
async function comparison(title, { query, percent, addedMs }, contenders) {
  /** @type {Record<string, number[]>} */
  const samples = {};
  /** @type {Record<string, number>} */
  const backends = {};
  for (const [name, client] of Object.entries(contenders)) {
    samples[name] = [];
    const [{ pid }] = await client.$queryRawUnsafe('SELECT pg_backend_pid() AS pid');
    backends[name] = Number(pid);
    for (let index = 0; index < WARM_UP; index += 1) await query(client, index);
  }
  for (let block = 0; block < BLOCKS; block += 1) {
    for (const [name, client] of Object.entries(contenders)) {
      const backendBefore = onCpuMs(backends[name]);
      const before = process.cpuUsage();
      for (let index = 0; index < BLOCK; index += 1) await query(client, block * BLOCK + index);
      const { user, system } = process.cpuUsage(before);
      samples[name].push(((user + system) / 1000 + onCpuMs(backends[name]) - backendBefore) / BLOCK);
    }
  }
  const [bare, empty, guarded] = ['bare', 'empty', 'guarded'].map((name) => percentile(samples[name], 0.1));
  const added = guarded - bare;
  return {
    measure: `guarded client, ${title}`,
    value: ms(guarded),
    against: `bare client ${ms(bare)}; with an extension that does nothing ${ms(empty)}`,
    ratio: guarded / bare,
    ...(percent !== undefined && {
      reach: `at most ${percent} % more`,
      met: added <= (bare * percent) / 100,
    }),
    ...(addedMs !== undefined && { reach: `at most ${ms(addedMs)} more`, met: added <= addedMs }),
  };
}

/**
 * How long a process was on a CPU, in ms and more exactly than /proc/PID/stat has it.
 *
 * @param {number} pid
 */
function onCpuMs(pid) {
  return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}

/** What it takes to change the arguments of a query, without the query. */
function rewriting() {
  const { models } = readGuardedModels(readFileSync(SCHEMA, 'utf8'));
  const [child, parent] = ['Child', 'Parent'].map((name) => models.get(name));
  const deep = { include: { children: { include: { sessions: { include: { steps: true } } } } } };
  const relation = { id: { gte: 1 }, sessions: { some: { ageMonths: 1 } } };
  return [
    rewrite('a unique key', 1, () => visibleWhere(child, { id: 1 })),
    rewrite('a relation filter', 1, () => visibleWhere(child, relation)),
    rewrite('an include three levels deep', 5, () => visiblePicks(parent, deep)),
  ];
}

/**
 * @param {string} title
 * @param {number} reach in µs
 * @param {() => unknown} work
 */
function rewrite(title, reach, work) {
  const samples = Array.from({ length: 20 }, () => {
    const before = process.cpuUsage();
    for (let count = 0; count < 20_000; count += 1) work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 20_000;
  });
  const value = percentile(samples, 0.1);
  return {
    measure: `rewriting ${title}`,
    value: `${value.toFixed(2)} µs`,
    reach: `at most ${reach} µs`,
    met: value <= reach,
  };
}
