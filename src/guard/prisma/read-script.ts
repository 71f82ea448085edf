import { readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { errorCode, messageOf } from '../../core/errors.js';
import { judgeSql } from './destructive-sql.js';
import type { SqlReading } from './guard.types.js';
import type { PrismaCommand } from './prisma-command.js';

/** Reads what `db execute` would run. What cannot be read, or not before Prisma reads it, is not trusted. */
export async function readScript(
  { file }: PrismaCommand,
  workingDirectory: string = process.cwd(),
): Promise<SqlReading> {
  if (file === undefined) return { kind: 'unread', why: 'a script from stdin cannot be read beforehand' };
  const script = path.resolve(workingDirectory, file);
  try {
    // What is read from a pipe is gone for Prisma.
    if (!statSync(script).isFile())
      return { kind: 'unread', why: 'the script is no file that can be read twice' };
    return await judgeSql(readFileSync(script, 'utf8'));
  } catch (error) {
    return { kind: 'unread', why: `the script cannot be read (${errorCode(error) ?? messageOf(error)})` };
  }
}
