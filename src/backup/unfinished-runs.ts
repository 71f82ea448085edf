import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { errorCode } from '../errors.js';
import { isRunning } from '../cluster/postmaster-file.js';
import type { BackupStorage } from '../storage/storage.types.js';
import { archiveKeys, manifestKey, nameOfUnfinished, unfinishedKey } from './backup-name.js';
import { isInteger, isRecord, isText } from './guards.js';
import { readText, writeText } from './manifest.js';

/** A run of another machine is given this long; no dump takes longer. */
const LONGEST_RUN_MS = 24 * 3_600_000;

/** Written to see which time the storage gives it, and taken away again; each run has its own. */
const PROBE = /^clock-[0-9a-f-]+\.probe$/;

/** Who is at work on a backup. */
interface Mark {
  readonly host: string;
  readonly pid: number;
  readonly startedAt: string;
}

/** Which start of which machine it is: in a bucket the marks of many lie side by side, and two may share a name. */
interface MachineMark extends Mark {
  readonly boot: string;
}

const isMark = isRecord<Mark>({ host: isText, pid: isInteger, startedAt: isText });
const isMachineMark = isRecord<MachineMark>({
  host: isText,
  pid: isInteger,
  startedAt: isText,
  boot: isText,
});

/** The runs of this process: in a container every process that ever ran may have had this very id. */
const RUNS_OF_THIS_PROCESS = new Set<string>();

/**
 * Marks in the storage: one stands beside an archive for as long as the run that makes it. What a killed run left
 * is known by its mark, and only that is ever cleared: an archive without one belongs to somebody else.
 */
export class UnfinishedRuns {
  private time: Promise<Date | undefined> | undefined;

  constructor(private readonly storage: BackupStorage) {}

  /** Before anything else is written. */
  async begin(name: string, now: Date, signal: AbortSignal): Promise<void> {
    RUNS_OF_THIS_PROCESS.add(this.idOf(name));
    const mark: MachineMark = {
      host: hostname(),
      pid: process.pid,
      startedAt: now.toISOString(),
      boot: bootId(),
    };
    await writeText(this.storage, unfinishedKey(name), `${JSON.stringify(mark)}\n`, signal);
  }

  /** After the manifest stands. */
  async commit(name: string): Promise<void> {
    try {
      await this.storage.delete(unfinishedKey(name));
    } finally {
      // Also where the mark could not be removed: the next run may clear it.
      RUNS_OF_THIS_PROCESS.delete(this.idOf(name));
    }
  }

  /** Removes everything of a run that failed; the mark last. */
  async discard(name: string): Promise<void> {
    await this.storage.delete(manifestKey(name));
    await this.deleteArchive(name);
    await this.commit(name);
  }

  /** Whether another run, here or elsewhere, is making or copying this backup right now. */
  async isAtWork(name: string): Promise<boolean> {
    const key = unfinishedKey(name);
    const mark = await this.storage.head(key);
    return mark !== undefined && !(await this.isGone(key, name, mark.modifiedAt));
  }

  /** Clears what killed runs left. @returns the names of the backups they did not finish. */
  async clear(): Promise<string[]> {
    const now = await this.storageTime();
    if (now) await this.storage.discardUnfinished?.(new Date(now.getTime() - LONGEST_RUN_MS));
    const cleared: string[] = [];
    for await (const { key, modifiedAt } of this.storage.list('')) {
      if (PROBE.test(key) && (await this.isOld(modifiedAt))) await this.storage.delete(key);
      const name = nameOfUnfinished(key);
      if (name === undefined || !(await this.isGone(key, name, modifiedAt))) continue;
      // Killed between the manifest and the end of the mark: the backup is whole.
      if (await this.storage.head(manifestKey(name))) {
        await this.storage.delete(key);
      } else {
        await this.deleteArchive(name);
        await this.storage.delete(key);
        cleared.push(name);
      }
    }
    return cleared;
  }

  private async deleteArchive(name: string): Promise<void> {
    for (const key of archiveKeys(name)) await this.storage.delete(key);
  }

  private async isGone(key: string, name: string, modifiedAt: Date): Promise<boolean> {
    if (RUNS_OF_THIS_PROCESS.has(this.idOf(name))) return false;
    if (await this.isOld(modifiedAt)) return true;
    const mark: unknown = parse(await readText(this.storage, key).catch(() => ''));
    if (!isMark(mark) || mark.host !== hostname()) return false;
    // A directory is this machine's; to a bucket a machine of the same name may be writing.
    const isShared = this.storage.pathOf === undefined;
    if (isShared && !(isMachineMark(mark) && mark.boot === bootId())) return false;
    return mark.pid === process.pid || !isRunning(mark.pid);
  }

  private async isOld(modifiedAt: Date): Promise<boolean> {
    const now = await this.storageTime();
    return now !== undefined && now.getTime() - modifiedAt.getTime() > LONGEST_RUN_MS;
  }

  /**
   * What time it is by the clock that dates the marks. This machine's may be a day ahead, and a run of another one
   * that is at work would seem abandoned. Undefined where there is no room: then nothing counts as old.
   */
  private storageTime(): Promise<Date | undefined> {
    this.time ??= readStorageTime(this.storage);
    return this.time;
  }

  private idOf(name: string): string {
    return `${this.storage.location}/${name}`;
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

/** Whether there is anything of that name: a backup, or a run at work on it. */
export async function isUsed(storage: BackupStorage, name: string): Promise<boolean> {
  for await (const object of storage.list(`${name}.`)) return object.bytes >= 0;
  return false;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Its run ended meanwhile, or was killed while it wrote; age decides.
    return undefined;
  }
}
