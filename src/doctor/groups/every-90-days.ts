import { Injectable } from '@nestjs/common';
import { AuditLogService } from '../../audit-log/audit-log.service.js';
import { counted } from '../../core/text.js';
import { RestoreTestService } from '../../restore/test/restore-test.service.js';
import { fail, ok, skip } from '../check-line.js';
import type { DoctorFacts } from '../doctor-facts.js';
import type { Line, LineResult } from '../doctor.types.js';
import { ofCheck } from '../of-check.js';

/** "Every 90 days": whether backups restore, and whether the records of it can be trusted. */
@Injectable()
export class Every90Days {
  constructor(
    private readonly restoreTests: RestoreTestService,
    private readonly auditLog: AuditLogService,
  ) {}

  lines({ verdict }: DoctorFacts): Line[] {
    return [
      {
        name: 'restore-test',
        title: 'newest restore test passed',
        needsDatabase: true,
        check: () => this.checkRestoreTest(),
      },
      {
        name: 'backup-config',
        title: 'restore test recent enough',
        check: async () => ofCheck(verdict, 'backupConfig', 'npx pgkeep restore test'),
      },
      {
        name: 'evidence',
        title: 'evidence of restore tests intact',
        needsDatabase: true,
        check: () => this.checkEvidence(),
      },
      {
        name: 'audit-log',
        title: 'audit log intact',
        needsDatabase: true,
        check: () => this.checkAuditLog(),
      },
    ];
  }

  private async checkRestoreTest(): Promise<LineResult> {
    const newest = (await this.restoreTests.list(1)).tests[0];
    const next = 'npx pgkeep restore test';
    if (!newest) return fail('no restore test was made', next);
    const text = `${newest.backup} ${newest.verdict} on ${newest.finishedAt.slice(0, 10)}`;
    return newest.verdict === 'passed' ? ok(text) : fail(text, `${next} && npx pgkeep restore history`);
  }

  private async checkEvidence(): Promise<LineResult> {
    const { total, chainFault } = await this.restoreTests.list(1);
    if (chainFault !== null) return fail(chainFault, 'npx pgkeep restore history');
    return total === 0 ? skip('there is none yet') : ok(counted(total, 'restore test'));
  }

  private async checkAuditLog(): Promise<LineResult> {
    const { verdict, entries, findings } = await this.auditLog.verify();
    if (verdict === 'whole') return ok(counted(entries, 'entry', 'entries'));
    return fail(findings.map(({ text }) => text).join('; '), 'npx pgkeep changelog --verify');
  }
}
