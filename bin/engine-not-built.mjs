import { createInterface } from 'node:readline';

/**
 * Reports that the engine cannot be loaded, in the way in which its caller listens: Prisma's CLI reads JSON lines. It
 * needs an answer: when its engine just ends, the CLI ends too, silently and with exit code 0.
 *
 * @param {string} message
 */
export async function reportNotBuilt(message) {
  const argv = process.argv.slice(2);
  if (argv.length > 0 && !argv.includes('cli')) return await answerRequests(message);
  const line = {
    level: 'ERROR',
    target: 'schema_engine::logger',
    fields: { message, error_code: 'PGKEEP_NOT_BUILT' },
  };
  // The CLI skips the first line of a command's log.
  console.error(argv.length > 0 ? `\n${JSON.stringify(line)}` : message);
  process.exitCode = 1;
}

/** @param {string} message */
async function answerRequests(message) {
  const error = { code: 4466, message, data: { is_panic: false, message, meta: null } };
  for await (const request of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify({ jsonrpc: '2.0', id: JSON.parse(request).id, error }));
  }
}
