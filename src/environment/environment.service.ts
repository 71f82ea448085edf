import { Inject, Injectable } from '@nestjs/common';
import type { Client } from 'pg';
import { Clock } from '../core/clock.js';
import type { DatabaseUrl } from '../config/database-url.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { withConnection } from '../postgres/connect.js';
import { withDeadline } from '../postgres/deadline.js';
import type { ReadTimeouts } from '../postgres/read.js';
import type { DatabaseIdentity, EnvironmentFacts } from './environment.types.js';
import { readIdentity, readStamp } from './stamp.js';

/** For how long the identity of the other database, or that it cannot be reached, is cached. */
const OTHER_IDENTITY_MS = 60_000;

/** Reads which environment the database serves. */
@Injectable()
export class EnvironmentService {
  private other:
    { readonly askedAt: number; readonly identity: Promise<DatabaseIdentity | undefined> } | undefined;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
  ) {}

  /** Reads the identity and the stamp of the database, and the identity of the other configured database. */
  async facts(client: Client, timeouts: ReadTimeouts): Promise<EnvironmentFacts> {
    const other = this.otherIdentity();
    const stamp = await readStamp(client, timeouts);
    const identity = await readIdentity(client, timeouts);
    return { stamp, identity, otherIdentity: await other };
  }

  /** Reads it once a minute, on its own connection: production can seldom reach development, and need not. */
  private otherIdentity(): Promise<DatabaseIdentity | undefined> {
    const url = this.settings.database.otherEnvironmentUrl;
    if (!url) return Promise.resolve(undefined);
    const now = this.clock.monotonicMs();
    if (!this.other || now - this.other.askedAt > OTHER_IDENTITY_MS) {
      // A known identity stays in use while the other database does not answer: an unknown one must not pass the check.
      const before = this.other?.identity;
      this.other = { askedAt: now, identity: this.askIdentity(url).catch(() => before) };
    }
    return this.other.identity;
  }

  private async askIdentity(url: DatabaseUrl): Promise<DatabaseIdentity | undefined> {
    // Half of the evaluation's time, so that the guarded database is still judged when this one does not answer.
    const timeoutMs = this.settings.readiness.timeoutMs / 2;
    const options = {
      connectTimeoutMs: timeoutMs,
      answerTimeoutMs: timeoutMs,
      applicationName: 'pgkeep identity',
      throughPooler: true,
    };
    const asking = withConnection(url, options, (client) =>
      readIdentity(client, { statementTimeoutMs: timeoutMs, lockTimeoutMs: timeoutMs }),
    );
    return await withDeadline(asking, timeoutMs);
  }
}
