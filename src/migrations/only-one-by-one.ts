/**
 * SQLSTATEs of what PostgreSQL refuses because of the transaction around it, and takes where each statement is committed
 * by itself: no transaction block, no end of one, a new value of an enum that is used, and more locks than there is
 * memory for.
 */
export const ONLY_ONE_BY_ONE: ReadonlySet<string> = new Set(['25001', '2D000', '55P04', '53200']);
