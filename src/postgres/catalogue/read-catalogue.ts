import type { Client } from 'pg';
import { CATALOGUE_QUERIES } from './catalogue-queries.js';
import type { Catalogue, CatalogueSection } from './catalogue.types.js';
import { comparableDefinition } from './comparable-definition.js';

/** Reads the fingerprint of the database's structure, in the caller's transaction. */
export async function readCatalogue(client: Client): Promise<Catalogue> {
  const section = async (name: CatalogueSection): Promise<string[]> => {
    const { rows } = await client.query<{ subject: string; definition: string | null }>(
      CATALOGUE_QUERIES[name],
    );
    return rows
      .map(({ subject, definition }) => [subject, definition && comparableDefinition(definition)])
      .map((parts) => parts.filter(Boolean).join(': '))
      .toSorted();
  };
  return {
    relations: await section('relations'),
    columns: await section('columns'),
    constraints: await section('constraints'),
    indexes: await section('indexes'),
    triggers: await section('triggers'),
    rowSecurity: await section('rowSecurity'),
    extensions: await section('extensions'),
  };
}
