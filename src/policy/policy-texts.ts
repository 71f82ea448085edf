// What the database's functions and the application's client share: names, and one text for one refusal. ASCII only:
// not every encoding of a database has more.

/**
 * The schema of the functions that enforce the rules. Not `pgkeep_guard`, which belongs to a superuser and is left out
 * of backups: these triggers come back with the tables that a restore brings back.
 */
export const POLICY_SCHEMA = 'pgkeep_policy';

/** The SQLSTATE of a refused DELETE, UPDATE, INSERT or TRUNCATE. */
export const POLICY_REFUSED = 'PK004';
/** The SQLSTATE of an UPDATE that needs a reason. */
export const REASON_REQUIRED = 'PK005';
/** The SQLSTATE of an erasure of a row that a legal hold keeps. */
export const ROW_HELD = 'PK006';

/** The setting of a transaction that names its action: `open_action` sets it. */
export const ACTION_SETTING = 'pgkeep.action';
/** The setting of a transaction that gives the reason of its corrections. */
export const REASON_SETTING = 'pgkeep.reason';
/** The setting of a transaction that says who corrects. */
export const ACTOR_SETTING = 'pgkeep.actor';
/** The setting of a transaction that names the row of the latest UPDATE, and its changed columns. */
export const UPDATED_SETTING = 'pgkeep.updated';

/** Why a rule refuses, as the database and the client both say it. */
export const REFUSALS = {
  never: 'its rows are never deleted',
  soft: 'its rows leave by soft delete',
  append: 'it is append-only',
  read: 'it is read-only',
  sealed: 'it is read-only since it was seeded',
  immutable: 'a column that never changes would change',
  reason: 'a correction needs a reason',
  held: 'a legal hold keeps the row',
} as const;

/** What to do instead, as the database and the client both say it. */
export const HINTS = {
  delete:
    'Mark the row as deleted: prisma.softDelete.softDelete(model, id, by, reason), or set its deletedAt.',
  change: 'Put the change into a migration, and run pgkeep migrate deploy.',
  reason: `Give the reason in the same transaction: prisma.$withReason({ reason, by }, (tx) => ...), or SELECT set_config('${REASON_SETTING}', 'why', true). At most 2000 characters.`,
  held: 'Release it first: pgkeep privacy release MODEL ID --by WHO --because TEXT.',
} as const;
