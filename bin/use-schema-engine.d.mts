/**
 * Makes Prisma's CLI use pgkeep's schema engine instead of downloading a native one, for a `prisma.config.ts`:
 *
 * ```ts
 * datasource: { url: useSchemaEngine(process.env.DATABASE_URL) }
 * ```
 *
 * An engine that PRISMA_SCHEMA_ENGINE_BINARY already names is kept. Otherwise the password is taken out of the URL, so
 * that the process list does not show it, and passed to the engine in the environment (PGPASSWORD).
 *
 * @param options.schema the PostgreSQL schema to work in, whatever the URL says
 * @returns the URL for `datasource.url`; undefined where there is none
 */
export function useSchemaEngine(url: string | undefined, options?: { schema?: string }): string | undefined;
