/** Commands that the build itself begins with; nothing else of Prisma's works here without a build. */
const WITHOUT_DATABASE = new Set([undefined, 'generate', 'validate', 'format', 'version', '--version', '-v']);

/**
 * `guardedConfig` of `pgkeep/prisma`, as this repository has it: from dist/, where it is built. An application imports
 * it from the package.
 *
 * @template {{ datasource?: { url?: string, shadowDatabaseUrl?: string } }} Config
 * @param {Config} config
 * @returns {Promise<Config>}
 */
export async function guardedConfig(config) {
  const [, , command] = process.argv;
  if (WITHOUT_DATABASE.has(command)) return config;
  const { guardedConfig: guarded } = await import('../dist/prisma.js').catch((error) => {
    if (error?.code !== 'ERR_MODULE_NOT_FOUND') throw error;
    console.error(
      'Refused: pgkeep is not built, so its guard cannot be asked. Run `npm run build`, then try again.',
    );
    process.exit(3);
  });
  return await guarded(config);
}
