import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const own = fileURLToPath(new URL('../bin/schema-engine', import.meta.url));

// Prisma's CLI insists on a native schema engine, which it downloads, unless PRISMA_SCHEMA_ENGINE_BINARY names an
// executable. It evaluates prisma.config.ts before it looks for one, so importing this file there is enough.
// An engine that is named already is left alone.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= own;

/**
 * The database to work on: DATABASE_URL (of the shell, or of .env), or else the embedded PostgreSQL that `npm start` runs in this directory.
 * Undefined where there is neither.
 *
 * @returns {string | undefined}
 */
export function configuredUrl() {
  // As pgkeep's own command does; what the shell has set wins.
  if (existsSync('.env')) process.loadEnvFile('.env');
  const { DATABASE_URL: url, NODE_ENV: environment } = process.env;
  const embedded = '.pgkeep/embedded.json';
  if (url || environment === 'production' || !existsSync(embedded)) return url;
  return JSON.parse(readFileSync(embedded, 'utf8')).url;
}

/**
 * The datasource URL to hand to Prisma, which passes it to its engine as an argument: on the process list, for every
 * user of the machine to read. Our engine takes the password from the environment instead. Without a URL there is none to
 * hand over: `prisma generate`, `validate` and `format` work all the same.
 *
 * @param {string | undefined} url the connection URL, as in DATABASE_URL
 * @param {string} [schema] the PostgreSQL schema to work in, whatever the URL says
 * @returns {string | undefined}
 */
export function datasourceUrl(url, schema) {
  if (!url) return undefined;
  const inSchema = schema === undefined ? url : withParameter(url, 'schema', schema);
  const parts = /^(postgres(?:ql)?:\/\/[^:@/?]*):([^@/?]*)@(.*)$/is.exec(inSchema);
  // A native engine reads no environment: it needs the URL whole.
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
