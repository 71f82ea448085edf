import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { isRunning } from '../../cluster/postmaster.js';
import { errorCode } from '../../core/errors.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import { isAbsentOr, isInteger, isRecord, isText } from '../../core/json-guards.js';
import { readText, writeText } from './manifest.js';

/** How long a mark of another machine counts; a dump takes less time, and claims are renewed before. */
export const LONGEST_MARK_MS = 24 * 3_600_000;

/** An object that is written to see which time the storage gives it, and then removed; each has its own name. */
const PROBE = /^clock-[0-9a-f-]+\.probe$/;

/** The process that works on a backup. */
interface Mark {
  readonly host: string;
  readonly pid: number;
  readonly startedAt: string;
  /** What it does: `restore test`. Absent in marks of earlier versions. */
  readonly use?: string | undefined;
}

/** A mark with the boot ID of its machine: a bucket can have marks of several machines of one name. */
interface MachineMark extends Mark {
  readonly boot: string;
}

const MARK = { host: isText, pid: isInteger, startedAt: isText, use: isAbsentOr(isText) };
const isMark = isRecord<Mark>(MARK);
const isMachineMark = isRecord<MachineMark>({ ...MARK, boot: isText });

/** The keys of this process's marks. Its process ID says nothing: in a container, earlier processes had the same one. */
const MARKS_OF_THIS_PROCESS = new Set<string>();

/** Small objects in a storage that say which process is working on what. A mark counts while its process lives. */
export class WorkMarks {
  private time: Promise<Date | undefined> | undefined;

  constructor(private readonly storage: BackupStorage) {}

  /** Writes or renews a mark of this process. */
  async set(
    key: string,
    { use, now, signal }: { use: string; now: Date; signal: AbortSignal },
  ): Promise<void> {
    MARKS_OF_THIS_PROCESS.add(this.idOf(key));
    const mark: MachineMark = {
      host: hostname(),
      pid: process.pid,
      startedAt: now.toISOString(),
      boot: bootId(),
      use,
    };
    await writeText(this.storage, key, `${JSON.stringify(mark)}\n`, signal);
  }

  /** Removes a mark of this process. */
  async remove(key: string): Promise<void> {
    try {
      await this.storage.delete(key);
    } finally {
      // Also if the mark could not be removed: the next run can clear it then.
      this.abandon(key);
    }
  }

  /** Leaves the mark in place for the next run, which clears it and the files that it stands for. */
  abandon(key: string): void {
    MARKS_OF_THIS_PROCESS.delete(this.idOf(key));
  }

  /** Returns what the process of a mark is doing; undefined if there is no mark, or its process has ended. */
  async use(key: string): Promise<string | undefined> {
    const found = await this.storage.head(key);
    if (!found || (await this.isGone(key, found.modifiedAt))) return undefined;
    const mark = await this.read(key);
    return mark?.use ?? 'another run';
  }

  /** Returns whether the process of a mark has ended, or has not renewed the mark for too long. */
  async isGone(key: string, modifiedAt: Date): Promise<boolean> {
    if (MARKS_OF_THIS_PROCESS.has(this.idOf(key))) return false;
    if (await this.isOld(modifiedAt)) return true;
    const mark = await this.read(key);
    if (mark?.host !== hostname()) return false;
    // A directory belongs to this machine; another machine of the same name can write to a bucket.
    const isShared = this.storage.pathOf === undefined;
    if (isShared && !(isMachineMark(mark) && mark.boot === bootId())) return false;
    return mark.pid === process.pid || !isRunning(mark.pid);
  }

  /** Removes the object where it is an old probe of this class. */
  async clearProbe(key: string, modifiedAt: Date): Promise<void> {
    if (PROBE.test(key) && (await this.isOld(modifiedAt))) await this.storage.delete(key);
  }

  /**
   * Returns the time of the clock that dates the marks: if this machine's clock is a day ahead, the work of another
   * machine would seem abandoned. Undefined if the storage is full: no mark counts as old then.
   */
  storageTime(): Promise<Date | undefined> {
    this.time ??= readStorageTime(this.storage);
    return this.time;
  }

  private async isOld(modifiedAt: Date): Promise<boolean> {
    const now = await this.storageTime();
    return now !== undefined && now.getTime() - modifiedAt.getTime() > LONGEST_MARK_MS;
  }

  private async read(key: string): Promise<Mark | undefined> {
    const mark: unknown = parse(await readText(this.storage, key).catch(() => ''));
    return isMark(mark) ? mark : undefined;
  }

  private idOf(key: string): string {
    return `${this.storage.location}/${key}`;
  }
}

async function readStorageTime(storage: BackupStorage): Promise<Date | undefined> {
  const key = `clock-${randomUUID()}.probe`;
  try {
    await writeText(storage, key, '', new AbortController().signal);
  } catch (error) {
    // It may be full of the files that are about to be cleared.
    if (errorCode(error) === 'STORAGE_FULL') return undefined;
    throw error;
  }
  const written = await storage.head(key);
  await storage.delete(key);
  return written?.modifiedAt;
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    // Not Linux: only the host's name identifies the machine.
    return '';
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Its run ended in the meantime, or was killed while writing; the age of the mark decides.
    return undefined;
  }
}
