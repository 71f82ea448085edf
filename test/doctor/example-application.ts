import { expect } from '@jest/globals';
import path from 'node:path';
import type { Environment } from '../../src/config/read-settings.js';
import { run } from '../../src/core/process/run.js';
import type { DoctorLine, DoctorReport } from '../../src/doctor/doctor.types.js';
import { BRIDGE, CHILDREN, PrismaApplication } from '../migrations/engine-application.js';
import { runCli } from '../support/pgkeep-process.js';
import type { CommandResult } from '../support/cli-hosts.js';

const GUARD = path.resolve('dist/prisma.js');

export const INIT = '20260101000000_init';
export const INIT_SCRIPT = `-- CreateTable
CREATE TABLE "Child" (
    "id" SERIAL NOT NULL,
    "name" TEXT NOT NULL,

    CONSTRAINT "Child_pkey" PRIMARY KEY ("id")
);
`;

const SCHEMA = `generator client {
  provider = "prisma-client"
  output   = "./generated"
}

datasource db {
  provider = "postgresql"
}

`;

const CONFIG = `import { defineConfig } from 'prisma/config';
const config = defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL ?? '' },
});
`;

/** An application that follows the guides: committed, guarded, formatted, its client generated. */
export class ExampleApplication extends PrismaApplication {
  static async create(): Promise<ExampleApplication> {
    const application = new ExampleApplication(undefined);
    application.writeModels(CHILDREN);
    application.addMigration(INIT, INIT_SCRIPT);
    application.writeConfig({ isGuarded: true });
    application.write('.gitignore', 'node_modules\nprisma/generated\n.env*\n');
    await application.generate();
    await application.git('init', '--quiet', '--initial-branch=main');
    await application.commit();
    return application;
  }

  /** Replaces the models of the schema, formatted as Prisma does it. */
  writeModels(models: string): void {
    this.write('prisma/schema.prisma', `${SCHEMA}${models}\n`);
  }

  writeConfig({ isGuarded }: { isGuarded: boolean }): void {
    const guarded = `import { guardedConfig } from '${GUARD}';\n${CONFIG}export default await guardedConfig(config);\n`;
    this.write('prisma.config.ts', isGuarded ? guarded : `${CONFIG}export default config;\n`);
  }

  async generate(): Promise<void> {
    const { output, exitCode } = await this.prisma('generate', { PRISMA_SCHEMA_ENGINE_BINARY: BRIDGE });
    expect({ output, exitCode }).toMatchObject({ exitCode: 0 });
  }

  async commit(): Promise<void> {
    await this.git('add', '--all');
    await this.git('-c', 'user.name=t', '-c', 'user.email=t@t', 'commit', '--quiet', '--message=state');
  }

  /** Runs `pgkeep ARGV` in the application's directory. */
  async pgkeep(argv: readonly string[], environment: Environment): Promise<CommandResult> {
    return await runCli(argv, environment, { cwd: this.directory });
  }

  /** Runs `pgkeep doctor` and returns its report, and its lines by name. */
  async doctor(
    environment: Environment,
    argv: readonly string[] = [],
  ): Promise<{ code: number | null; report: DoctorReport; lines: Record<string, DoctorLine> }> {
    const { code, stdout } = await this.pgkeep(['doctor', '--json', ...argv], environment);
    const report: DoctorReport = JSON.parse(stdout);
    const all = report.groups.flatMap(({ lines }) => lines);
    return { code, report, lines: Object.fromEntries(all.map((line) => [line.name, line])) };
  }

  private async git(...argv: string[]): Promise<void> {
    const { exitCode, stderrTail } = await run('git', argv, {
      cwd: this.directory,
      env: { PATH: process.env['PATH'], HOME: this.directory },
    });
    expect({ exitCode, stderrTail }).toMatchObject({ exitCode: 0 });
  }
}
