import { compactTime } from './compact-time.js';

/** A name of PostgreSQL has at most so many bytes. */
const LONGEST_NAME = 63;

/** `clinic_restoring_20261120113000`: while a restore is at work on it. */
export function restoringName(database: string, at: Date): string {
  return beside(database, `_restoring_${compactTime(at)}`);
}

export const RESTORING_NAME = /_restoring_\d{14}$/;

/** `clinic_replaced_20261120_113000`: the database that a restore put aside. */
export function replacedName(database: string, at: Date): string {
  const time = compactTime(at);
  return beside(database, `_replaced_${time.slice(0, 8)}_${time.slice(8)}`);
}

/** A long name loses its end, and never a part of a character. */
function beside(database: string, ending: string): string {
  const letters = Array.from(database);
  while (Buffer.byteLength(letters.join('')) + ending.length > LONGEST_NAME) letters.pop();
  return letters.join('') + ending;
}
