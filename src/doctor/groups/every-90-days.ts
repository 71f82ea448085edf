import { Injectable } from '@nestjs/common';
import { AuditLogService } from '../../audit-log/audit-log.service.js';
import { counted } from '../../core/text.js';
import { RestoreTestService } from '../../restore/test/restore-test.service.js';
import type { RestoreTestHistory } from '../../restore/test/restore-test.types.js';
import { fail, ofCheck, ok, skip } from '../check-line.js';
import type { DoctorFacts, Line, LineResult } from '../doctor.types.js';

/** "Every 90 days": whether backups restore, and whether the records of it can be trusted. */
@Injectable()
export class Every90Days {
  constructor(
    private readonly restoreTests: RestoreTestService,
    private readonly auditLog: AuditLogService,
  ) {}

  lines({ verdict }: DoctorFacts): Line[] {
    let reading: Promise<RestoreTestHistory> | undefined;
    const history = (): Promise<RestoreTestHistory> => (reading ??= this.restoreTests.list(1));
    return [
      {
        name: 'restore-test',
        title: 'newest restore test passed',
        needsDatabase: true,
        check: async () => restoreTestResult(await history()),
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
        check: async () => evidenceResult(await history()),
      },
      {
        name: 'audit-log',
        title: 'audit log intact',
        needsDatabase: true,
        check: () => this.checkAuditLog(),
      },
    ];
  }

  private async checkAuditLog(): Promise<LineResult> {
    const { verdict, entries, findings } = await this.auditLog.verify();
    if (verdict === 'whole') return ok(counted(entries, 'entry', 'entries'));
    return fail(findings.map(({ text }) => text).join('; '), 'npx pgkeep changelog --verify');
  }
}

function restoreTestResult({ tests: [newest] }: RestoreTestHistory): LineResult {
  const next = 'npx pgkeep restore test';
  if (!newest) return fail('no restore test was made', next);
  const text = `${newest.backup} ${newest.verdict} on ${newest.finishedAt.slice(0, 10)}`;
  return newest.verdict === 'passed' ? ok(text) : fail(text, `${next} && npx pgkeep restore history`);
}

function evidenceResult({ total, chainFault }: RestoreTestHistory): LineResult {
  if (chainFault !== null) return fail(chainFault, 'npx pgkeep restore history');
  return total === 0 ? skip('there is none yet') : ok(counted(total, 'restore test'));
}
