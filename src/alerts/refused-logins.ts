import { Inject, Injectable } from '@nestjs/common';
import { FailedLogins } from '../access/failed-logins.js';
import { FAILURES } from '../access/failure-throttle.js';
import { service } from '../audit-log/append.js';
import { AuditLogService } from '../audit-log/audit-log.service.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { Clock } from '../core/clock.js';

/** One entry an hour says it: an attack must not fill the audit log. In ms. */
const PAUSE_MS = 3_600_000;

/** Records in the audit log that many attempts to sign in failed in this process: the leader makes an alert of the entry. */
@Injectable()
export class RefusedLogins {
  private recordedAtMs = -Infinity;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
    private readonly failedLogins: FailedLogins,
    private readonly auditLog: AuditLogService,
  ) {}

  /** Records what happened within the last minute, where it is enough. Never throws. */
  async recordMany(): Promise<void> {
    const failures = this.failedLogins.within(1);
    const nowMs = this.clock.monotonicMs();
    if (failures < FAILURES || nowMs - this.recordedAtMs < PAUSE_MS) return;
    const recording = await this.auditLog.recordDone({
      action: 'logins-refused',
      subject: this.settings.database.url.database,
      details: { failures },
      actor: service(),
    });
    if (recording.recorded) this.recordedAtMs = nowMs;
  }
}
