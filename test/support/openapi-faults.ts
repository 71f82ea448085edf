import addFormats from 'ajv-formats';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { openApiDocument } from '../../src/http/openapi-document.js';

/** Validates a body against a schema of the OpenAPI document; returns what is wrong. */
export function faultsOf(schema: string, body: unknown): unknown {
  const ajv = new Ajv2020({ strict: false, allErrors: true });
  addFormats.default(ajv);
  ajv.addSchema({ $id: 'openapi', components: openApiDocument().components });
  const validate = ajv.compile({ $ref: `openapi#/components/schemas/${schema}` });
  return validate(body) ? [] : validate.errors;
}
