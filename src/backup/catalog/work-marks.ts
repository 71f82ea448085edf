import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { isRunning } from '../../cluster/postmaster.js';
import { errorCode } from '../../core/errors.js';
import type { BackupStorage } from '../../storage/storage.types.js';
import { isAbsentOr, isInteger, isRecord, isText } from '../../core/json-guards.js';
import { readText, writeText } from './manifest.js';

/** A mark of another machine is believed for this long; no dump takes longer, and claims are renewed before. */
export const LONGEST_MARK_MS = 24 * 3_600_000;

/** Written to see which time the storage gives it, and removed again; each probe has its own name. */
const PROBE = /^clock-[0-9a-f-]+\.probe$/;

/** Who works on a backup. */
interface Mark {
  readonly host: string;
  readonly pid: number;
  readonly startedAt: string;
  /** What the work is: `restore test`. Absent in marks of earlier versions. */
  readonly use?: string | undefined;
}

/** Which start of which machine it is: in a bucket the marks of many lie side by side, and two may share a name. */
interface MachineMark extends Mark {
  readonly boot: string;
}

const MARK = { host: isText, pid: isInteger, startedAt: isText, use: isAbsentOr(isText) };
const isMark = isRecord<Mark>(MARK);
const isMachineMark = isRecord<MachineMark>({ ...MARK, boot: isText });

/** The marks of this process: in a container every process that ever ran may have had this same id. */
const MARKS_OF_THIS_PROCESS = new Set<string>();

/** Small objects in a storage that say which process works on what. A mark counts while its process lives. */
export class WorkMarks {
  private time: Promise<Date | undefined> | undefined;

  constructor(private readonly storage: BackupStorage) {}

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

  async remove(key: string): Promise<void> {
    try {
      await this.storage.delete(key);
    } finally {
      // Also where the mark could not be removed: the next run may clear it.
      this.abandon(key);
    }
  }

  /** Leaves the mark to the next run, which clears it and what it stands for. */
  abandon(key: string): void {
    MARKS_OF_THIS_PROCESS.delete(this.idOf(key));
  }

  /** What a mark says its process does; undefined where there is no mark, or where its process is gone. */
  async use(key: string): Promise<string | undefined> {
    const found = await this.storage.head(key);
    if (!found || (await this.isGone(key, found.modifiedAt))) return undefined;
    const mark = await this.read(key);
    return mark?.use ?? 'another run';
  }

  /** Whether the process that set the mark has ended, or was silent for too long. */
  async isGone(key: string, modifiedAt: Date): Promise<boolean> {
    if (MARKS_OF_THIS_PROCESS.has(this.idOf(key))) return false;
    if (await this.isOld(modifiedAt)) return true;
    const mark = await this.read(key);
    if (mark?.host !== hostname()) return false;
    // A directory is this machine's; to a bucket a machine of the same name may be writing.
    const isShared = this.storage.pathOf === undefined;
    if (isShared && !(isMachineMark(mark) && mark.boot === bootId())) return false;
    return mark.pid === process.pid || !isRunning(mark.pid);
  }

  /** Removes the object where it is an old probe of this class. */
  async clearProbe(key: string, modifiedAt: Date): Promise<void> {
    if (PROBE.test(key) && (await this.isOld(modifiedAt))) await this.storage.delete(key);
  }

  /**
   * Returns the time by the clock that dates the marks. This machine's may be a day ahead, and the work of another
   * machine would seem abandoned. Undefined where there is no room: then nothing counts as old.
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
    // What killed runs left may be what fills it.
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
    // Not Linux: the host's name has to do.
    return '';
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Its run ended meanwhile, or was killed while it wrote; age decides.
    return undefined;
  }
}
