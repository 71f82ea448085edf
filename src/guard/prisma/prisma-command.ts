/**
 * What a command does to its database.
 * - `nothing`: it does not connect, or not to this one
 * - `read`: it only reads
 * - `deploy`: it changes the database in the way production is changed
 * - `execute`: it runs SQL, which decides the effect
 * - `develop`: it may empty, rebuild or edit the database by hand
 * - `unknown`: this version of pgkeep does not know the command
 */
export type Effect = 'nothing' | 'read' | 'deploy' | 'execute' | 'develop' | 'unknown';

/** A Prisma command line, parsed as Prisma parses it. */
export interface PrismaCommand {
  /** `migrate reset`, `studio`; empty for help or the version alone. */
  readonly name: string;
  readonly effect: Effect;
  /** Whether it resets the shadow database that the configuration names. */
  readonly usesShadow: boolean;
  /** `--url`. */
  readonly url: string | undefined;
  /** Whether `--url` replaces the configuration's database. */
  readonly urlWins: boolean;
  /** `--shadow-database-url`, which Prisma 6 takes; wins over the configuration's. */
  readonly shadowUrl: string | undefined;
  /** `--file` of `db execute`. */
  readonly file: string | undefined;
  /** `--config`: the configuration that is evaluated. */
  readonly config: string | undefined;
}

const EFFECTS: Readonly<Record<string, Effect>> = {
  'migrate dev': 'develop',
  'migrate reset': 'develop',
  'migrate deploy': 'deploy',
  'migrate resolve': 'deploy',
  'migrate status': 'read',
  'migrate diff': 'read',
  'db push': 'develop',
  'db seed': 'develop',
  'db pull': 'read',
  'db execute': 'execute',
  studio: 'develop',
  generate: 'nothing',
  validate: 'nothing',
  format: 'nothing',
  version: 'nothing',
  init: 'nothing',
  debug: 'nothing',
  complete: 'nothing',
  platform: 'nothing',
  // Starts its own local database server.
  dev: 'nothing',
  // Runs other Prisma commands, for which the guard is called again.
  mcp: 'nothing',
};

/** Commands that take `--url`; others refuse or ignore it. */
const TAKES_URL = new Set(['migrate dev', 'db push', 'db pull', 'studio']);

const GROUPS = new Set(['migrate', 'db', 'platform', 'postgres']);

/** Options whose value may be the next word. Prisma refuses options that it does not know. */
const WITH_VALUE = new Set([
  '--config',
  '--schema',
  '--url',
  '--file',
  '--telemetry-information',
  '--name',
  '-n',
  '--output',
  '-o',
  '--port',
  '-p',
  '--hostname',
  '--browser',
  '-b',
  '--applied',
  '--rolled-back',
  '--schemas',
  '--composite-type-depth',
  '--from-schema',
  '--to-schema',
  '--from-migrations',
  '--to-migrations',
  '--from-url',
  '--to-url',
  '--shadow-database-url',
  '--from-schema-datamodel',
  '--to-schema-datamodel',
  '--from-schema-datasource',
  '--to-schema-datasource',
]);

/** What one of Prisma's parsers reads: its options, and the rest for the next parser. */
interface Level {
  readonly options: ReadonlyMap<string, string>;
  readonly rest: readonly string[];
}

/**
 * Parses a Prisma command line: the words after `prisma`, or a complete line that begins with a launcher
 * Prisma (`npx -y prisma@7 db push`, `node node_modules/prisma/build/index.js db push`, `NODE_ENV=test prisma …`).
 * An unknown command has the effect `unknown`, and is refused on production.
 */
export function parsePrismaCommand(argv: readonly string[]): PrismaCommand {
  const outer = readLevel(behindPrisma(argv));
  const [first = '', ...behindFirst] = outer.rest;
  const next = readLevel(behindFirst);
  const isGroup = GROUPS.has(first);
  const [second, ...behindSecond] = isGroup ? next.rest : [];
  const own = isGroup ? readLevel(behindSecond) : next;
  const name = second === undefined ? first : `${first} ${second}`;
  const isComplete = isGroup ? second !== undefined : name !== '';
  const asksForHelp = [outer, next, own].some(({ options }) => options.has('--help') || options.has('-h'));
  const asksForVersion = outer.options.has('--version') || outer.options.has('-v');
  const effect = asksForHelp || asksForVersion || !isComplete ? 'nothing' : effectOf(name, first);
  const replays = own.options.has('--from-migrations') || own.options.has('--to-migrations');
  return {
    name,
    effect,
    usesShadow: effect !== 'nothing' && (name === 'migrate dev' || replays),
    url: own.options.get('--url') || undefined,
    urlWins: TAKES_URL.has(name),
    shadowUrl: own.options.get('--shadow-database-url') || undefined,
    file: own.options.get('--file') || undefined,
    config: [own, next, outer].map(({ options }) => options.get('--config')).find(Boolean),
  };
}

function effectOf(name: string, first: string): Effect {
  const key = Object.hasOwn(EFFECTS, name) ? name : first;
  return (Object.hasOwn(EFFECTS, key) && EFFECTS[key]) || 'unknown';
}

/**
 * Reads up to the first word that is not an option: `db push x --help` shows no help, but pushes. The
 * next parser begins after that word, or after `--`.
 */
function readLevel(argv: readonly string[]): Level {
  const options = new Map<string, string>();
  for (let index = 0; index < argv.length; index += 1) {
    const word = argv[index] ?? '';
    if (word === '--') return { options, rest: argv.slice(index + 1) };
    if (word.length < 2 || !word.startsWith('-')) return { options, rest: argv.slice(index) };
    const [option = '', value] = word.startsWith('--') ? word.split(/=(.*)/s, 2) : [word];
    const takesNext = value === undefined && WITH_VALUE.has(option);
    if (takesNext) index += 1;
    options.set(option, value ?? (takesNext ? (argv[index] ?? '') : ''));
  }
  return { options, rest: [] };
}

const LAUNCHER =
  /^(?:npx|pnpx|bunx|npm|pnpm|yarn|bun|deno|node|env|cross-env|dotenv|dotenvx|sudo|time|exec|command)(?:\.exe|\.cmd)?$/;
const PROGRAM = /^(?:npm:)?prisma(?:@[^/\\]*)?(?:\.cmd|\.exe|\.ps1)?$/;
/** `node_modules/prisma/build/index.js`, in pnpm's store and Yarn's cache too. */
const BUNDLE = /(?:^|[/\\])prisma[/\\]build[/\\](?:index|cli)\.js$/;

/** Returns the words after the program's name, if the line begins with it or with a launcher. */
function behindPrisma(argv: readonly string[]): readonly string[] {
  const first = argv[0] ?? '';
  const begins = isProgram(first) || LAUNCHER.test(baseName(first)) || /^[A-Za-z_]\w*=/.test(first);
  if (!begins) return argv;
  const program = argv.findIndex(isProgram);
  // A line that starts another program: its first word is not a known command.
  if (program === -1) return argv;
  // `npx -p prisma@7 prisma db push` names it twice.
  const behind = argv.slice(program + 1);
  return isProgram(behind[0] ?? '') ? behind.slice(1) : behind;
}

function isProgram(word: string): boolean {
  return BUNDLE.test(word) || (PROGRAM.test(baseName(word)) && !word.startsWith('-'));
}

function baseName(word: string): string {
  return word.split(/[/\\]/).at(-1) ?? '';
}
