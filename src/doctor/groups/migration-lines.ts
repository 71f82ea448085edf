import { existsSync } from 'node:fs';
import path from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { loadEnvironment } from '../../config/process-environment.js';
import { readSettings } from '../../config/read-settings.js';
import type { Settings } from '../../config/settings.js';
import { SETTINGS } from '../../config/settings.token.js';
import { messageOf } from '../../core/errors.js';
import { git } from '../../core/process/run.js';
import { boundedList } from '../../core/text.js';
import { MigrationsService } from '../../migrations/migrations.service.js';
import { DatabaseService } from '../../postgres/database.service.js';
import { fail, ok, skip } from '../check-line.js';
import type { Line, LineResult } from '../doctor.types.js';

const STAGING_FILE = '.env.staging';

/** The lines of "Before deployment" about migrations: committed, tried in staging, none left half done. */
@Injectable()
export class MigrationLines {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly migrations: MigrationsService,
  ) {}

  lines(): Line[] {
    return [
      { name: 'committed', title: 'migrations committed', check: () => this.checkCommitted() },
      { name: 'staging', title: 'migrations tested in staging', check: () => this.checkStaging() },
      {
        name: 'history',
        title: 'no failed or edited migration',
        needsDatabase: true,
        check: () => this.checkHistory(),
      },
    ];
  }

  private async checkCommitted(): Promise<LineResult> {
    const { migrationsDirectory: directory, searchPath } = this.settings;
    if (!existsSync(directory)) return skip(`there is no directory ${directory}`);
    let changes: string;
    try {
      const argv = ['status', '--porcelain', '--untracked-files=all', '-z', '--', '.'];
      changes = await git('see what is committed', argv, { directory, searchPath });
    } catch (error) {
      return skip(`not checked: ${messageOf(error)}`);
    }
    const files = changes
      .split('\0')
      .filter(Boolean)
      .map((line) => line.slice(3));
    if (files.length === 0) return ok(path.relative('', directory) || '.');
    return fail(
      `not committed: ${boundedList(files, 3)}`,
      `git add ${path.relative('', directory) || '.'} && git commit`,
    );
  }

  /** The staging database's own history against this directory, by the settings of `.env.staging`. */
  private async checkStaging(): Promise<LineResult> {
    const next = 'npx pgkeep migrate status --env staging';
    if (this.settings.environment !== 'production') return skip('checked when run for production');
    if (!existsSync(STAGING_FILE)) return skip(`not checked: there is no ${STAGING_FILE} here`, next);
    const { environment } = loadEnvironment({}, process.cwd(), 'staging');
    const { migrationsDirectory } = this.settings;
    const staging = readSettings({ ...environment, MIGRATIONS_DIR: migrationsDirectory });
    const database = new DatabaseService(staging);
    try {
      const { status } = await new MigrationsService(staging, database).requireStatus();
      const { applied, pending, failed, rolledBack } = status;
      const untested = [...pending, ...failed, ...rolledBack];
      if (untested.length === 0) return ok(`${applied.length} applied in staging`);
      return fail(
        `not applied in staging: ${boundedList(untested, 3)}`,
        'npx pgkeep migrate deploy --env staging',
      );
    } finally {
      await database.onApplicationShutdown();
    }
  }

  private async checkHistory(): Promise<LineResult> {
    const { failed, rolledBack, edited, pending, applied } = (await this.migrations.requireStatus()).status;
    if (failed.length > 0) return fail(`failed: ${boundedList(failed, 3)}`, 'npx pgkeep migrate resolve');
    if (edited.length > 0) {
      return fail(`changed after they were applied: ${boundedList(edited, 3)}`, 'npx pgkeep migrate lint');
    }
    if (rolledBack.length > 0) {
      return fail(
        `rolled back and not applied since: ${boundedList(rolledBack, 3)}`,
        'npx pgkeep migrate deploy',
      );
    }
    return ok(`${applied.length} applied, ${pending.length} pending`);
  }
}
