import { fileURLToPath } from 'node:url';

const own = fileURLToPath(new URL('schema-engine', import.meta.url));

/**
 * Makes Prisma's CLI use pgkeep's schema engine instead of downloading a native one, for a `prisma.config.ts`:
 *
 *     datasource: { url: useSchemaEngine(process.env.DATABASE_URL) }
 *
 * Prisma evaluates its configuration before it looks for an engine. An engine that PRISMA_SCHEMA_ENGINE_BINARY already
 * names is kept.
 *
 * Prisma passes the URL to its engine as an argument, which every user of the machine can read in the process list.
 * So the password is taken out of the URL, and pgkeep's engine reads it from the environment (PGPASSWORD).
 *
 * @param {string | undefined} url the connection URL; undefined where there is none: `prisma generate`, `validate` and
 *   `format` work without it
 * @param {{schema?: string}} [options] schema: the PostgreSQL schema to work in, whatever the URL says
 * @returns {string | undefined} the URL for `datasource.url`
 */
export function useSchemaEngine(url, { schema } = {}) {
  process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= own;
  if (!url) return undefined;
  const inSchema = schema === undefined ? url : withParameter(url, 'schema', schema);
  const parts = /^(postgres(?:ql)?:\/\/[^:@/?]*):([^@/?]*)@(.*)$/is.exec(inSchema);
  // A native engine does not read PGPASSWORD: it needs the complete URL.
  if (!parts || process.env.PRISMA_SCHEMA_ENGINE_BINARY !== own) return inSchema;
  const [, user, password, server] = parts;
  try {
    process.env.PGPASSWORD = decodeURIComponent(password);
  } catch {
    return inSchema;
  }
  return `${user}@${server}`;
}

/**
 * @param {string} url
 * @param {string} name
 * @param {string} value
 */
function withParameter(url, name, value) {
  const [base, query] = url.split('?');
  const parameters = new URLSearchParams(query);
  parameters.set(name, value);
  return `${base}?${parameters}`;
}
