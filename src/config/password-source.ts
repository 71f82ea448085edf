import type { DatabaseUrl } from './database-url.js';
import type { Environment } from './read-settings.js';
import type { Settings } from './settings.js';

/** Gives a password for a new connection: a token of a cloud, which expires. */
export type PasswordCallback = () => Promise<string>;

/** A program that prints the password. */
export interface PasswordCommand {
  readonly kind: 'command';
  /** The program and its arguments; no shell reads them. */
  readonly argv: readonly string[];
  /** A password is used again for so long, in ms. */
  readonly maxAgeMs: number;
  /** The program's environment; a function, so that no print of the settings shows it. */
  readonly environment: () => Environment;
}

/** Where the password of a URL that holds none comes from. */
export type PasswordSource = PasswordCommand | { readonly kind: 'callback'; readonly read: PasswordCallback };

/** Parses `DATABASE_PASSWORD_COMMAND`. @throws Error that completes "must be …: "; it never quotes the value. */
export function parseCommand(text: string): readonly string[] {
  if (!text.startsWith('[')) {
    if (/["'\\$`|;<>&]/.test(text)) {
      throw new Error('no shell reads it: write arguments with such characters as a JSON array');
    }
    return text.split(/\s+/);
  }
  const words: unknown = parseJson(text);
  if (!Array.isArray(words) || words.length === 0 || !words.every((word) => typeof word === 'string')) {
    throw new Error('it begins with [, and is not a JSON array of strings');
  }
  return words;
}

/**
 * Settings whose connections to the guarded database and its replica take their password from a function of the
 * application's, wherever a URL holds none.
 */
export function withPassword(settings: Settings, read: PasswordCallback | undefined): Settings {
  if (!read) return settings;
  const passwordSource = { kind: 'callback', read } as const;
  const given = (url: DatabaseUrl): DatabaseUrl => ({ ...url, passwordSource });
  const { database } = settings;
  const { replicaUrl } = database;
  const pooledUrl = given(database.pooledUrl);
  const { sameAs } = database.url;
  return {
    ...settings,
    database: {
      ...database,
      pooledUrl,
      url: { ...given(database.url), sameAs: sameAs && { ...sameAs, url: pooledUrl } },
      replicaUrl: replicaUrl && given(replicaUrl),
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
