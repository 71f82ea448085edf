// Runs command lines of pgkeep one after another in one process that has loaded the built program (dist/) already:
// loading takes most of a short command's time. Except for the start and end of the process it equals `dist/cli.js`.
import process from 'node:process';
import { runProgram } from '../../dist/cli/program.js';
import { processTerminal } from '../../dist/cli/terminal.js';

const ownEnvironment = { ...process.env };

/** Replaces the variables of this process. */
function setEnvironment(variables) {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, variables);
}

/** Collects what is written to a stream until `release` is called. */
function collect(stream) {
  const write = stream.write;
  let text = '';
  stream.write = (chunk) => {
    text += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8');
    return true;
  };
  return {
    release: () => {
      stream.write = write;
      return text;
    },
  };
}

/** Runs one command line and sends its result. */
async function run({ argv, environment, directory }) {
  setEnvironment(environment);
  process.chdir(directory);
  const stdout = collect(process.stdout);
  const stderr = collect(process.stderr);
  let code;
  try {
    code = await runProgram(argv, processTerminal, () => {
      throw new Error('the service needs a separate process: PgkeepProcess');
    });
  } finally {
    setEnvironment(ownEnvironment);
    process.send({ code, stdout: stdout.release(), stderr: stderr.release() });
  }
}

process.on('message', (line) => void run(line));
process.on('disconnect', () => process.exit());
process.send('ready');
