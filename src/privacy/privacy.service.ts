import path from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import type { Client } from 'pg';
import { operator } from '../audit-log/append.js';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { PgkeepError } from '../core/errors.js';
import { shellWord } from '../core/text.js';
import { requireChangeable } from '../environment/stamp.js';
import { PolicyService } from '../policy/policy.service.js';
import { DatabaseService } from '../postgres/database.service.js';
import { runOnDedicatedConnection } from '../postgres/connect.js';
import { changeRecord, VERBS, type ActionContext } from './change-record.js';
import { exportToFiles, readRecorded, type ExportFiles, type ReadSummary } from './export-record.js';
import { holdRecord, releaseRecord } from './legal-hold.js';
import {
  inRecordTransaction,
  inSnapshot,
  refused,
  type OpenRecord,
  type RecordContext,
} from './open-record.js';
import { OwnerGraph } from './owner-graph.js';
import { readLog, readLogOf } from './privacy-log.js';
import type {
  ActionOptions,
  ActionRequest,
  HoldReport,
  PrivacyLog,
  Receipt,
  RecordAction,
  RecordName,
  SubjectExport,
} from './privacy.types.js';
import type { ExportPart } from './read-export.js';
import { parseKey, recordText } from './record-key.js';
import { tryAnonymization, type AnonymizationTry } from './try-anonymization.js';

/** As the ledger has them. */
const LONGEST = { by: 200, because: 2000 } as const;

/** A person may have more rows than a query of the application has time for. */
const STATEMENT_TIMEOUT_MS = 3_600_000;

/** What a person's rights ask for: export, restriction, anonymization and erasure of one record, and legal holds. */
@Injectable()
export class PrivacyService {
  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly database: DatabaseService,
    private readonly policy: PolicyService,
  ) {}

  /**
   * Marks a record as deleted, and what its deletion would cascade to: hidden from the application, restorable.
   * @throws PgkeepError `RECORD_NOT_FOUND`, `PRIVACY_REFUSED`, `USAGE_INVALID`, or a `DATABASE_…` code.
   */
  async softDelete(record: RecordName, request: ActionRequest): Promise<Receipt> {
    return await this.change('soft-delete', record, request, {});
  }

  /** Removes the mark of a record, and of what was marked with it. @throws PgkeepError as `softDelete`. */
  async restore(record: RecordName, request: ActionRequest): Promise<Receipt> {
    return await this.change('restore-record', record, request, {});
  }

  /**
   * Replaces the personal values of a record and of what belongs to it, up to the next person and what is kept by law.
   * @throws PgkeepError `RECORD_HELD`, or as `softDelete`.
   */
  async anonymize(record: RecordName, request: ActionRequest, options: ActionOptions = {}): Promise<Receipt> {
    return await this.change('anonymize', record, request, options);
  }

  /**
   * Deletes a record and what belongs to it, for good. In production the id is required once more.
   * @throws PgkeepError `PRIVACY_REFUSED` if rows that stay refer to it, `RECORD_HELD`, or as `softDelete`.
   */
  async erase(record: RecordName, request: ActionRequest, options: ActionOptions = {}): Promise<Receipt> {
    if (this.settings.environment === 'production' && options.confirm !== record.id) {
      throw refused(
        `erase ${recordText(record)}`,
        'this is production, and an erasure cannot be undone',
        `Type the id when asked on a terminal, or add: \`--confirm ${shellWord(record.id)}\``,
      );
    }
    return await this.change('hard-delete', record, request, options);
  }

  /**
   * Writes everything about a record into a file, from one snapshot; `page`: and into a page for people.
   * @throws PgkeepError `STORAGE_…`, or as `softDelete`; no file is left then.
   */
  async export(
    record: RecordName,
    request: Partial<ActionRequest>,
    files: ExportFiles,
  ): Promise<SubjectExport> {
    return await this.read(record, request, async (open, context) =>
      exportToFiles(open, context, { ...files, directory: path.resolve(files.directory) }),
    );
  }

  /** Reads the same part by part. @throws PgkeepError as `softDelete`, and what `take` throws. */
  async readExport(
    record: RecordName,
    request: Partial<ActionRequest>,
    take: (part: ExportPart) => Promise<void>,
  ): Promise<ReadSummary> {
    return await this.read(record, request, async (open, context) => readRecorded(open, context, take));
  }

  /**
   * Puts a legal hold on a record: neither it nor what belongs to it is erased or anonymized until it is released.
   * @param until the last day, `2027-03-31`; without an end if it is left out
   * @throws PgkeepError as `softDelete`.
   */
  async hold(record: RecordName, request: ActionRequest, until?: string): Promise<HoldReport> {
    const operation = `hold ${recordText(record)}`;
    if (until !== undefined) requireDate(until);
    return await this.onRecord(record, operation, request, async (open, context) =>
      holdRecord(open, context, until ?? null),
    );
  }

  /** Releases the legal hold of a record. @throws PgkeepError as `softDelete`. */
  async release(record: RecordName, request: ActionRequest): Promise<HoldReport> {
    const operation = `release ${recordText(record)}`;
    return await this.onRecord(record, operation, request, async (open, context) =>
      releaseRecord(open, context),
    );
  }

  /** Returns what was done, newest last: to one record, or to all. It holds no personal data. */
  async log(record: RecordName | undefined, limit: number): Promise<PrivacyLog> {
    const graph = await this.graph();
    return await this.onConnection('read the ledger of erasures of', async (client) =>
      record === undefined
        ? await readLog(client, limit)
        : await readLogOf(
            client,
            { graph, model: record.model, key: parseKey(graph.model(record.model), record.id) },
            limit,
          ),
    );
  }

  /** Anonymizes rows of every table and rolls back: what would refuse is a finding. */
  async tryAnonymization(): Promise<AnonymizationTry> {
    const graph = await this.graph();
    return await this.onConnection('try the anonymization in', async (client) => {
      await client.query('BEGIN; SET LOCAL search_path TO DEFAULT');
      try {
        return await tryAnonymization(client, graph);
      } finally {
        await client.query('ROLLBACK');
      }
    });
  }

  private async change(
    what: RecordAction,
    record: RecordName,
    request: ActionRequest,
    { copies }: ActionOptions,
  ): Promise<Receipt> {
    const operation = `${VERBS[what]} ${recordText(record)}`;
    const receipt = await this.onRecord(record, operation, request, async (open, context) =>
      changeRecord(open, what, context),
    );
    const erases = what === 'hard-delete' || what === 'anonymize';
    return { ...receipt, copies: erases && copies ? await copies() : null };
  }

  private async onRecord<T>(
    record: RecordName,
    operation: string,
    request: ActionRequest,
    work: (open: OpenRecord, context: ActionContext) => Promise<T>,
  ): Promise<T> {
    const context = this.contextOf(request);
    return await this.withRecord(record, operation, async (unopened) =>
      inRecordTransaction(unopened, STATEMENT_TIMEOUT_MS, async (open) => work(open, context)),
    );
  }

  private async read<T>(
    record: RecordName,
    { by = operator(), because = 'request of the person', actor = operator() }: Partial<ActionRequest>,
    work: (open: OpenRecord, context: ActionContext) => Promise<T>,
  ): Promise<T> {
    const context = this.contextOf({ by, because, actor });
    return await this.withRecord(record, `export ${recordText(record)}`, async (unopened) =>
      inSnapshot(unopened, STATEMENT_TIMEOUT_MS, async (open) => work(open, context)),
    );
  }

  private async withRecord<T>(
    record: RecordName,
    operation: string,
    work: (unopened: RecordContext) => Promise<T>,
  ): Promise<T> {
    const graph = await this.graph();
    return await this.onConnection(`${operation} in`, async (client) => {
      const { environment } = this.settings;
      const { timeouts } = this.database;
      await requireChangeable(client, { environment, timeouts }, (why, hint) =>
        refused(operation, why, hint),
      );
      return await work({ client, graph, record, operation });
    });
  }

  private contextOf(request: ActionRequest): ActionContext {
    return {
      by: requireText('--by', request.by, LONGEST.by, 'who asks'),
      because: requireText('--because', request.because, LONGEST.because, 'the reason'),
      actor: request.actor ?? operator(),
      database: this.settings.database.url.database,
      graceDays: this.settings.privacy.graceDays,
    };
  }

  private async graph(): Promise<OwnerGraph> {
    return new OwnerGraph(await this.policy.rules(), this.settings.database.url.schema);
  }

  private async onConnection<T>(operation: string, work: (client: Client) => Promise<T>): Promise<T> {
    const options = {
      operation,
      applicationName: 'pgkeep privacy',
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    };
    return await runOnDedicatedConnection(this.settings.database, options, work);
  }
}

/** @throws PgkeepError `USAGE_INVALID`. */
function requireDate(text: string): void {
  const parsed = /^\d{4}-\d\d-\d\d$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  if (!Number.isNaN(parsed) && new Date(parsed).toISOString().startsWith(text)) return;
  throw new PgkeepError('USAGE_INVALID', `${JSON.stringify(text)} is not a date. Nothing was changed.`, {
    hint: 'Give the last day of the hold: 2027-03-31.',
  });
}

/** @throws PgkeepError `USAGE_INVALID`. */
function requireText(option: string, text: string, longest: number, what: string): string {
  const trimmed = text.trim();
  if (trimmed !== '' && trimmed.length <= longest && !trimmed.includes('\0')) return trimmed;
  throw new PgkeepError(
    'USAGE_INVALID',
    `${option} takes ${what}: a text of at most ${longest.toLocaleString('en-US')} characters. Nothing was changed.`,
    { hint: 'It is kept in the ledger of erasures, so it should name no person.' },
  );
}
