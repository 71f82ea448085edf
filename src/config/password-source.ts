import type { DatabaseUrl } from './database-url.js';
import type { Environment } from './read-settings.js';
import type { Settings } from './settings.js';

/** Returns the password for a new connection, such as a cloud's token that expires. */
export type PasswordCallback = () => Promise<string>;

/** A program that prints the password. */
export interface PasswordCommand {
  readonly kind: 'command';
  /** The program and its arguments; no shell reads them. */
  readonly argv: readonly string[];
  /** How long a password is reused, in ms. */
  readonly maxAgeMs: number;
  /** The program's environment. A function, so that printed settings do not contain it. */
  readonly environment: () => Environment;
}

/** Where the password of a URL without one comes from. */
export type PasswordSource = PasswordCommand | { readonly kind: 'callback'; readonly read: PasswordCallback };

/** Parses `DATABASE_PASSWORD_COMMAND`. @throws Error that completes "must be …: " and never quotes the value. */
export function parseCommand(text: string): readonly string[] {
  if (!text.startsWith('[')) {
    if (/["'\\$`|;<>&]/.test(text)) {
      throw new Error('it does not run in a shell: write arguments with such characters as a JSON array');
    }
    return text.split(/\s+/);
  }
  const words: unknown = parseJson(text);
  if (!Array.isArray(words) || words.length === 0 || !words.every((word) => typeof word === 'string')) {
    throw new Error('it begins with [ but is not a JSON array of strings');
  }
  return words;
}

/**
 * Returns settings whose connections to the guarded database and its replica get their password from a function of the
 * application, if the URL has none.
 */
export function withPassword(settings: Settings, read: PasswordCallback | undefined): Settings {
  if (!read) return settings;
  const given = (url: DatabaseUrl): DatabaseUrl => urlWithPassword(url, read);
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

/** Returns a URL whose connections get their password from a function, if it holds none itself. */
export function urlWithPassword(url: DatabaseUrl, read: PasswordCallback): DatabaseUrl {
  return { ...url, passwordSource: { kind: 'callback', read } };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
