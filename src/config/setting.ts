import type { FileValue } from './secret-file.js';
import type { EnvironmentName } from './settings.js';

/** The units of numbers: as messages write them out, and as the documentation abbreviates them. */
export const UNITS = {
  milliseconds: 'ms',
  seconds: 's',
  minutes: 'min',
  hours: 'h',
  days: 'days',
  weeks: 'weeks',
  months: 'months',
  MB: 'MB',
  connections: 'connections',
  evaluations: 'evaluations',
  percent: '%',
} as const;
export type Unit = keyof typeof UNITS;

/** What a value can depend on beside its text. */
export interface ReadContext {
  /** Relative paths are resolved against this directory. */
  readonly workingDirectory: string;
  readonly environment: EnvironmentName;
  /** The names that READINESS_GATES may use; undefined if they are not known yet. */
  readonly checks?: readonly string[] | undefined;
}

/** Reads a file again whenever its value is used. `parse` throws if the new text cannot be used. */
export type Follow = <T>(parse: (text: string) => T) => FileValue<T>;

/** What people read about a setting, in docs/settings.md, in .env.example and in messages. */
export interface Description {
  /** Markdown that says what the setting is, for a cell of a table: no capital at the start, no period at the end. */
  readonly text: string;
  /** The value in .env.example. Defaults to the default. */
  readonly example?: string;
  /** Markdown for a default that depends on something. Defaults to the default as it is. */
  readonly defaultText?: string;
  /** The unit of a number. */
  readonly unit?: Unit;
  /** Other names of the setting. If several of its names are set, they must agree. */
  readonly aliases?: readonly string[];
  /** Whether no message shows the value, not even if it is wrong, and a file with it is followed. Defaults to false. */
  readonly secret?: boolean;
  /** Whether 0, which would switch off a protection, is replaced by the default. Defaults to false. */
  readonly zeroIsDefault?: boolean;
  /**
   * A variable that begins with this and is no setting is reported as a misspelled one. Defaults to the first word of
   * the name. Stated if variables of other programs begin with that word; empty if every name does.
   */
  readonly family?: string;
}

interface Reading<T> {
  /**
   * A rule that depends on the context, beside the decorators. Returns what completes "NAME must be …", or undefined if
   * the text may be used.
   */
  readonly refuse?: (text: string, context: ReadContext) => string | undefined;
  /** Makes the value of a text that has passed the rules. */
  readonly parse: (text: string, context: ReadContext) => T;
  /**
   * Makes the value of a secret that came as `NAME_FILE`; `setting` is that name. Defaults to a property that reads the
   * file again whenever it is used.
   */
  readonly fromFile?: (text: string, setting: string, follow: Follow) => T;
}

interface WithDefault<Earlier> {
  /** The default as text, or a function that makes it from settings declared above this one. */
  readonly default: string | ((earlier: Earlier) => string);
}

/** One declared setting. */
export interface Declaration extends Description, Reading<unknown> {
  readonly name: string;
  /** The property that holds the value. */
  readonly property: string;
  /** The default where it does not depend on other settings. */
  readonly fixedDefault: string | undefined;
  /** Returns the default as text; undefined if there is none. */
  defaultFor(earlier: object): string | undefined;
}

/** Decorates a property whose type has a place for the value. */
type Decorator<Value, Earlier> = <Slice extends Earlier & object, Property extends string & keyof Slice>(
  slice: Slice,
  property: Property & ([Value] extends [Slice[Property]] ? unknown : never),
) => void;

const DECLARED = new Map<object, Declaration[]>();

/**
 * Declares a setting: the property gets the value of the variable `name`, of its aliases, or of the file that
 * `NAME_FILE` names. class-validator's decorators beside this one are rules for the text; the message of each
 * completes the sentence "NAME must be …".
 */
export function Setting<T, Earlier extends object>(
  name: string,
  options: Description & Reading<T> & WithDefault<Earlier>,
): Decorator<T, Earlier>;
export function Setting<T>(name: string, options: Description & Reading<T>): Decorator<T | undefined, object>;
export function Setting<T, Earlier extends object>(
  name: string,
  { default: given, ...options }: Description & Reading<T> & Partial<WithDefault<Earlier>>,
): Decorator<T, Earlier> {
  const fixedDefault = typeof given === 'string' ? given : undefined;
  const defaultFor = typeof given === 'function' ? given : () => fixedDefault;
  return (slice, property) => {
    const declared = DECLARED.get(slice.constructor) ?? [];
    declared.push({ ...options, name, property, fixedDefault, defaultFor });
    DECLARED.set(slice.constructor, declared);
  };
}

/** The values of a class of settings. */
export type Values<T> = { readonly [Property in keyof T]: T[Property] };

/** A class of settings. */
export type SettingsClass<T extends object = object> = new () => T;

/** Returns the settings that a class declares, in the order of its properties. */
export function declarationsOf(settings: object): readonly Declaration[] {
  return DECLARED.get(settings) ?? [];
}

/** Returns all names of a setting, the preferred one first. */
export function namesOf({ name, aliases = [] }: Pick<Declaration, 'name' | 'aliases'>): readonly string[] {
  return [name, ...aliases];
}
