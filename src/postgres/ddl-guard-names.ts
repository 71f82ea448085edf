/** The event trigger that refuses; while it is off or missing, so is the whole guard. */
export const DDL_GUARD = 'pgkeep_ddl_guard';
/** The event trigger that keeps the guard's TRUNCATE trigger on tables: on new ones, and switched on. */
export const DDL_GUARD_TABLES = 'pgkeep_ddl_guard_tables';
