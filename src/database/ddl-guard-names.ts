/** The event trigger that refuses; while it is off or missing, so is the whole guard. */
export const DDL_GUARD = 'pgkeep_ddl_guard';
/** The event trigger that puts the guard's TRUNCATE trigger on tables that come later. */
export const DDL_GUARD_NEW_TABLES = 'pgkeep_ddl_guard_new_tables';
