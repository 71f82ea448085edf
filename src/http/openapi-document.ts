import { paths } from './openapi-paths.js';
import { schemasWith } from './openapi-schemas.js';

/**
 * Returns the OpenAPI 3.1 document of the HTTP interface. Written by hand and not derived from decorators: loading
 * `@nestjs/swagger` costs 130 ms of every start. The tests hold every real response against it.
 * @param added the names of the checks that the application added
 */
export function openApiDocument(added: readonly string[] = []) {
  return {
    openapi: '3.1.0',
    info: {
      title: 'pgkeep',
      version: '1',
      description:
        'Reports whether a PostgreSQL + Prisma database is safe to serve from, what is in it, and backs it up.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    paths,
    components: {
      securitySchemes: { adminToken: { type: 'http', scheme: 'bearer', description: 'ADMIN_API_TOKEN' } },
      schemas: schemasWith(added),
    },
  };
}
