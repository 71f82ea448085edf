import { mkdir, open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { appendPlan } from '../audit-log/append.js';
import { safeFileName } from '../backup/catalog/backup-name.js';
import { errorCode, interrupted, messageOf, PgkeepError } from '../core/errors.js';
import { tokenOfRecord, type ActionContext } from './change-record.js';
import { pagePrinter } from './export-page.js';
import { run, type OpenRecord } from './open-record.js';
import type { RetainedRows, SubjectExport } from './privacy.types.js';
import { jsonPrinter, readExport, type ExportPart, type ExportPrinter } from './read-export.js';
import { openAction } from './row-sql.js';

/** What was read: the action that records it, and what the parts contained. */
export interface ReadSummary {
  readonly action: string;
  readonly rows: Readonly<Record<string, number>>;
  readonly retained: readonly RetainedRows[];
  readonly omitted: readonly string[];
}

/** Reads an export in an open transaction, hands each part to `take`, and records it. */
export async function readRecorded(
  record: OpenRecord,
  { by, because, actor, database }: ActionContext,
  take: (part: ExportPart) => Promise<void>,
): Promise<ReadSummary> {
  const { client } = record;
  const person = await tokenOfRecord(record);
  const [opened] = await run<{ id: string }>(client, openAction('export-data', { by, reason: because }));
  const action = opened?.id ?? '';
  const rows: Record<string, number> = {};
  let model = '';
  let ended: Pick<ReadSummary, 'retained' | 'omitted'> = { retained: [], omitted: [] };
  for await (const part of readExport(record)) {
    if (part.kind === 'model') model = part.model;
    if (part.kind === 'rows') rows[model] = (rows[model] ?? 0) + part.rows.length;
    if (part.kind === 'end') ended = { retained: part.retained, omitted: part.omitted };
    await take(part);
  }
  const details = { action, person, model: record.record.model, rows };
  const { sql, values } = appendPlan({ action: 'export-data', subject: database, details, actor });
  await client.query(sql, [...values]);
  return { action, rows, ...ended };
}

/** Where an export is written. */
export interface ExportFiles {
  readonly directory: string;
  /** Aborting it ends the export; no file is left. */
  readonly signal?: AbortSignal;
  /** Whether a page for people is written as well. */
  readonly page: boolean;
}

/** Writes an export into files that only their owner can read. If it fails, no file is left. */
export async function exportToFiles(
  record: OpenRecord,
  context: ActionContext,
  { directory, page, signal }: ExportFiles,
): Promise<SubjectExport> {
  const { model, id } = record.record;
  const base = path.join(directory, [model, safeFileName(id).slice(0, 60)].filter(Boolean).join('_'));
  const made = await mkdir(directory, { recursive: true, mode: 0o700 }).catch(cannotWrite(directory));
  const outputs = [
    new Output(`${base}.json`, jsonPrinter()),
    ...(page ? [new Output(`${base}.html`, pagePrinter())] : []),
  ];
  try {
    for (const output of outputs) await output.create();
    const { action, rows, retained, omitted } = await readRecorded(record, context, async (part) => {
      if (signal?.aborted) throw interrupted('nothing was exported');
      for (const output of outputs) await output.write(part);
    });
    for (const output of outputs) await output.finish();
    const [json, html] = outputs;
    const file = json?.file ?? '';
    const { size } = await stat(file);
    return { action, model, id, file, page: html?.file ?? null, bytes: size, rows, retained, omitted };
  } catch (error) {
    for (const output of outputs) await output.discard();
    // Only a directory that this export made, and only what is in it.
    if (made !== undefined) await rm(made, { recursive: true, force: true });
    throw error;
  }
}

/** A file under a temporary name; it gets its own name when it is complete. */
class Output {
  private handle: FileHandle | undefined;
  private readonly temporary: string;

  constructor(
    readonly file: string,
    private readonly print: ExportPrinter,
  ) {
    this.temporary = path.join(path.dirname(file), `.${path.basename(file)}.part`);
  }

  async create(): Promise<void> {
    this.handle = await open(this.temporary, 'w', 0o600).catch(cannotWrite(path.dirname(this.file)));
  }

  async write(part: ExportPart): Promise<void> {
    // A write of a handle may end early; this one writes all of it.
    await this.handle?.appendFile(this.print(part)).catch(cannotWrite(path.dirname(this.file)));
  }

  async finish(): Promise<void> {
    await this.handle?.sync();
    await this.handle?.close();
    this.handle = undefined;
    await rename(this.temporary, this.file).catch(cannotWrite(path.dirname(this.file)));
  }

  async discard(): Promise<void> {
    await this.handle?.close();
    await rm(this.temporary, { force: true });
    await rm(this.file, { force: true });
  }
}

function cannotWrite(directory: string): (error: unknown) => never {
  return (error) => {
    const code = errorCode(error) === 'ENOSPC' ? 'STORAGE_FULL' : 'STORAGE_FAILED';
    throw new PgkeepError(code, `Cannot write ${directory}: ${messageOf(error)}`, {
      hint: 'Set --out to a directory that this user may write to, on a disk with free space. No file was left there.',
      cause: error,
    });
  };
}
