import { Inject, Injectable } from '@nestjs/common';
import type { Client } from 'pg';
import { Clock } from '../core/clock.js';
import type { DatabaseUrl } from '../config/database-url.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { withConnection, withDeadline } from '../postgres/connect.js';
import type { ReadTimeouts } from '../postgres/read.js';
import type { DatabaseIdentity, EnvironmentFacts } from './environment.types.js';
import { readIdentity, readStamp } from './stamp.js';

/** How long the other database's identity, or its being out of reach, is believed. */
const OTHER_IDENTITY_MS = 60_000;

/** Facts about which environment the database serves. */
@Injectable()
export class EnvironmentService {
  private other:
    { readonly askedAt: number; readonly identity: Promise<DatabaseIdentity | undefined> } | undefined;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly clock: Clock,
  ) {}

  /** Who the database is, what its stamp says, and whether another environment is configured onto it. */
  async facts(client: Client, timeouts: ReadTimeouts): Promise<EnvironmentFacts> {
    const other = this.otherIdentity();
    const stamp = await readStamp(client, timeouts);
    const identity = await readIdentity(client, timeouts);
    return { stamp, identity, otherIdentity: await other };
  }

  /** Asked once a minute, on a connection of its own: production can seldom reach development, and need not. */
  private otherIdentity(): Promise<DatabaseIdentity | undefined> {
    const url = this.settings.database.otherEnvironmentUrl;
    if (!url) return Promise.resolve(undefined);
    const now = this.clock.monotonicMs();
    if (!this.other || now - this.other.askedAt > OTHER_IDENTITY_MS) {
      // One that was known is believed while the database does not answer: what is unknown makes nothing ready.
      const before = this.other?.identity;
      this.other = { askedAt: now, identity: this.askIdentity(url).catch(() => before) };
    }
    return this.other.identity;
  }

  private async askIdentity(url: DatabaseUrl): Promise<DatabaseIdentity | undefined> {
    // Half of the evaluation's time: the database itself must still be judged when this one does not answer.
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
