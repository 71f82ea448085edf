export { useSchemaEngine } from '../bin/use-schema-engine.mjs';
export function guardedConfig<Config extends object>(config: Config): Promise<Config>;
export function configuredUrl(): string | undefined;
