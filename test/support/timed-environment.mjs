// Jest's Node.js environment, which also records the cost of each spec file: wall time, and the CPU time (user and
// system) of the worker and of every process that it has waited for. scripts/lib/jest.mjs says where it is recorded.
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { TestEnvironment } from 'jest-environment-node';

const STAT = '/proc/self/stat';
const TICKS_PER_SECOND = 100;
/** Fields of proc(5)'s `stat` behind the program's name: utime, stime, cutime, cstime. */
const CPU_FIELDS = [11, 12, 13, 14];

/** CPU seconds of this process and its ended children; of this process alone where there is no /proc. */
function cpuSeconds() {
  if (!existsSync(STAT)) {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  }
  const fields = readFileSync(STAT, 'utf8').split(') ').at(-1).split(' ');
  return CPU_FIELDS.reduce((sum, field) => sum + Number(fields[field]), 0) / TICKS_PER_SECOND;
}

export default class TimedEnvironment extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    this.spec = path.relative(config.globalConfig.rootDir, context.testPath).replaceAll(path.sep, '/');
    this.startedAt = performance.now();
    this.cpuBefore = cpuSeconds();
  }

  async teardown() {
    await super.teardown();
    const file = process.env['PGKEEP_SPEC_TIMES'];
    if (!file) return;
    const wallSeconds = (performance.now() - this.startedAt) / 1000;
    const time = { spec: this.spec, wallSeconds, cpuSeconds: cpuSeconds() - this.cpuBefore };
    appendFileSync(file, `${JSON.stringify(time)}\n`);
  }
}
