import { Validator } from './validation.js';
import { type DatabaseUrl, parseDatabaseUrl } from './database-url.js';
import type { Environment } from './read-settings.js';
import { fileValue, readSecretFile } from './secret-file.js';
import {
  EnvironmentVariables,
  isSettingName,
  SECRET_SETTINGS,
  SETTING_NAMES,
  type SettingName,
} from './settings-list.js';

/** One thing that is wrong with one setting, or with a pair of them. */
export interface Fault {
  readonly subject: string;
  readonly problem: string;
}

/** The settings as text, and how a secret among them is read again while the program runs. */
export interface ReadVariables {
  readonly variables: EnvironmentVariables;
  /** Asks for a secret, parsed: undefined where it is not set; read again where a file holds it. */
  readonly secret: <T>(name: SettingName, parse: (text: string) => T) => () => T | undefined;
  /** A database's URL, which remembers the file that it was read from; undefined where it is not set. */
  readonly url: (name: SettingName) => DatabaseUrl | undefined;
}

/** Reads every setting, from the environment or from its file, and holds each against its rule. */
export function readVariables(environment: Environment): ReadVariables & { faults: Fault[] } {
  const variables = new EnvironmentVariables();
  const faults: Fault[] = [];
  const files = new Map<SettingName, string>();
  for (const name of SETTING_NAMES) {
    const direct = environment[name]?.trim() || undefined;
    const file = environment[`${name}_FILE`]?.trim() || undefined;
    if (direct !== undefined && file !== undefined) {
      faults.push({ subject: name, problem: `is set twice, directly and by ${name}_FILE: keep one` });
    } else if (file === undefined) {
      variables[name] = direct;
    } else {
      const read = readSecretFile(file);
      if ('problem' in read) faults.push({ subject: `${name}_FILE`, problem: read.problem });
      else variables[name] = read.text || undefined;
      files.set(name, file);
    }
  }
  faults.push(...ruleFaults(variables));

  const reader = <T>(name: SettingName, parse: (text: string) => T) => {
    const text = variables[name];
    const file = files.get(name);
    if (text === undefined) return undefined;
    if (file === undefined) return { latest: constant(parse(text)), fault: constant(undefined) };
    const parseFitting = (replaced: string): T => {
      requireRules(variables, name, replaced);
      return parse(replaced);
    };
    return fileValue(file, text, parseFitting);
  };
  return {
    variables,
    faults,
    secret: (name, parse) => reader(name, parse)?.latest ?? constant(undefined),
    url: (name) => {
      const text = variables[name];
      if (text === undefined) return undefined;
      const named = parseDatabaseUrl(text);
      const value = files.has(name)
        ? reader(name, (replaced) => sameName(parseDatabaseUrl(replaced), named))
        : undefined;
      if (!value) return named;
      const first = value.latest();
      return { ...first, source: { ...value, setting: `${name}_FILE`, hosts: first.hosts } };
    },
  };
}

function constant<T>(value: T): () => T {
  return () => value;
}

/** Records, backups and texts carry the name that the program was started with. */
function sameName(url: DatabaseUrl, first: DatabaseUrl): DatabaseUrl {
  if (url.database === first.database && url.schema === first.schema) return url;
  throw new Error('it names another database or schema, which takes a restart');
}

/** @throws Error in the words of the rules that the replaced value breaks. */
function requireRules(variables: EnvironmentVariables, name: SettingName, text: string): void {
  const changed = Object.assign(new EnvironmentVariables(), variables, { [name]: text });
  const broken = ruleFaults(changed).filter(({ subject }) => subject === name);
  if (broken.length > 0) throw new Error(broken.map(({ problem }) => problem).join('; '));
}

function ruleFaults(variables: EnvironmentVariables): Fault[] {
  const broken = new Validator().validateSync(variables).toSorted(bySetting);
  return broken.flatMap(({ property, value, constraints = {} }) =>
    Object.values(constraints).map((accepted) => ({
      subject: property,
      problem: `must be ${accepted}${shown(property, value)}`,
    })),
  );
}

/** In the order of the settings' documentation, whichever class of them a setting stands in. */
function bySetting(left: { property: string }, right: { property: string }): number {
  const place = ({ property }: { property: string }): number =>
    SETTING_NAMES.findIndex((name) => name === property);
  return place(left) - place(right);
}

function shown(property: string, value: unknown): string {
  if (isSettingName(property) && SECRET_SETTINGS.has(property)) return '';
  return `; it is "${String(value)}"`;
}
