import { databaseFault } from '../database/database-fault.js';
import type { Known } from './readiness.types.js';

/** A fact, or the fault that kept it from being known. */
export async function known<T>(asking: Promise<T>): Promise<Known<T>> {
  try {
    return { value: await asking };
  } catch (error) {
    return { fault: databaseFault(error) };
  }
}
