import { PgkeepError } from '../core/errors.js';
import type { Environment } from './read-settings.js';
import { followFile, readVariable, type Fault } from './secret-file.js';
import {
  declarationsOf,
  namesOf,
  type Declaration,
  type ReadContext,
  type SettingsClass,
  type Values,
} from './setting.js';
import { ENVIRONMENTS, type EnvironmentName } from './settings.js';
import { Validator } from './validation.js';

interface Given {
  readonly text: string;
  /** The file that holds the text. */
  readonly file: string | undefined;
}

/** Reads settings from an environment and from files, checks each against its rules, and makes their values. */
export class SettingsReader {
  /** The faults that each setting has by itself. */
  readonly faults: Fault[] = [];
  private readonly given = new Map<string, Given>();
  private readonly validator = new Validator();

  constructor(
    environment: Environment,
    private readonly classes: readonly SettingsClass[],
    private readonly context: ReadContext,
  ) {
    for (const name of this.declarations().flatMap((declaration) => namesOf(declaration))) {
      const read = readVariable(environment, name);
      if ('problem' in read) this.faults.push(read);
      else if (read.text !== undefined) this.given.set(name, { text: read.text, file: read.file });
    }
    for (const settings of classes) this.faults.push(...this.brokenRules(settings));
  }

  /** Returns the values of a class of settings. Call it only if there are no faults. */
  read<T extends object>(settings: SettingsClass<T>): Values<T> {
    const slice = new settings();
    for (const declaration of declarationsOf(settings)) {
      const value = this.descriptorOf(settings, declaration, slice);
      Object.defineProperty(slice, declaration.property, { enumerable: true, configurable: true, ...value });
    }
    return slice;
  }

  /** Returns the text of a setting, whichever of its names has it; undefined if it is not set. */
  text(name: string): string | undefined {
    const declaration = this.declarations().find((declared) => declared.name === name);
    return declaration && this.givenOf(declaration)?.text;
  }

  /** Returns the names of the settings that are 0 where 0 stands for the default. */
  zeroes(settings: SettingsClass): string[] {
    const declared = declarationsOf(settings).filter((declaration) => this.isReplacedZero(declaration));
    return declared.map(({ name }) => name);
  }

  /** Returns the faults of settings of which several names are set and differ. */
  disagreeingAliases(): Fault[] {
    return this.declarations().flatMap((declaration) => {
      const [first, ...others] = namesOf(declaration).filter((name) => this.given.has(name));
      return others.flatMap((name) => this.disagreement(declaration, first ?? declaration.name, name));
    });
  }

  private declarations(): Declaration[] {
    return this.classes.flatMap((settings) => declarationsOf(settings));
  }

  private givenOf(declaration: Declaration): (Given & { name: string }) | undefined {
    for (const name of namesOf(declaration)) {
      const given = this.given.get(name);
      if (given) return { ...given, name };
    }
    return undefined;
  }

  private descriptorOf(settings: SettingsClass, declaration: Declaration, slice: object): PropertyDescriptor {
    const parse = (text: string): unknown => declaration.parse(text, this.context);
    const given = this.isReplacedZero(declaration) ? undefined : this.givenOf(declaration);
    if (!given) {
      const text = declaration.defaultFor(slice);
      return { value: text === undefined ? undefined : parse(text) };
    }
    const { name, text, file } = given;
    if (file === undefined || !declaration.secret) return { value: parse(text) };
    const follow = <T>(parseNew: (newText: string) => T) =>
      followFile(file, text, (newText) => {
        this.requireRules(settings, declaration, newText);
        return parseNew(newText);
      });
    if (declaration.fromFile) return { value: declaration.fromFile(text, `${name}_FILE`, follow) };
    return { get: follow(parse).latest };
  }

  private isReplacedZero(declaration: Declaration): boolean {
    return declaration.zeroIsDefault === true && Number(this.givenOf(declaration)?.text) === 0;
  }

  private disagreement({ parse, secret }: Declaration, first: string, alias: string): Fault[] {
    const [text = '', other = ''] = [this.given.get(first)?.text, this.given.get(alias)?.text];
    if (text === other || parse(text, this.context) === parse(other, this.context)) return [];
    const problem = secret
      ? `is an alias of ${first}, but has another value: keep one`
      : `is ${other}, but it is an alias of ${first}, which is ${text}: keep one`;
    return [{ subject: alias, problem }];
  }

  private brokenRules(settings: SettingsClass): Fault[] {
    return declarationsOf(settings).flatMap((declaration) =>
      namesOf(declaration).flatMap((name) => {
        const given = this.given.get(name);
        if (!given) return [];
        const shown = declaration.secret ? '' : `; it is "${given.text}"`;
        const broken = this.ruleMessages(settings, declaration, given.text);
        return broken.map((message) => ({ subject: name, problem: `must be ${message}${shown}` }));
      }),
    );
  }

  /** @throws Error in the words of the rules that a text breaks. */
  private requireRules(settings: SettingsClass, declaration: Declaration, text: string): void {
    const broken = this.ruleMessages(settings, declaration, text);
    if (broken.length > 0) throw new Error(broken.map((message) => `must be ${message}`).join('; '));
  }

  /** Returns the messages of the rules that a text breaks: those of every environment, and those of this one. */
  private ruleMessages(settings: SettingsClass, { property, refuse }: Declaration, text: string): string[] {
    const holder = Object.assign(new settings(), { [property]: text });
    const options = {
      groups: [this.context.environment],
      always: true,
      skipUndefinedProperties: true,
      forbidUnknownValues: false,
    };
    const broken = this.validator
      .validateSync(holder, options)
      .flatMap(({ constraints = {} }) => Object.values(constraints));
    return broken.length > 0 ? broken : [refuse?.(text, this.context) ?? []].flat();
  }
}

/** Returns the environment that decides on rules and defaults. A wrong name is reported with the other faults. */
export function environmentNameOf(environment: Environment): EnvironmentName {
  const read = readVariable(environment, 'NODE_ENV');
  const text = 'text' in read ? read.text : undefined;
  return ENVIRONMENTS.find((name) => name === text) ?? 'development';
}

/** Returns the error that lists every fault. */
export function invalidSettings(faults: readonly Fault[]): PgkeepError {
  const lines = faults.map(({ subject, problem }) => `  ${subject} ${problem}`);
  const count = faults.length === 1 ? 'One setting is' : `${faults.length} settings are`;
  return new PgkeepError('CONFIG_INVALID', [`${count} invalid:`, ...lines].join('\n'), {
    hint: 'Every setting is described in .env.example and in docs/settings.md.',
  });
}
