import type { Environment } from './read-settings.js';
import { SECRET_SETTINGS } from './settings-list.js';

/** Names of variables, also of other programs, whose value is a secret. */
const SECRET_NAME = /PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|_KEY$|IDENTITY/i;
/** `//user:password@`, and `password=…` of a connection URL or a key-value string. */
const URL_PASSWORD = /(\/\/[^\s:/@]*:)[^\s@/]*(?=@)/g;
const PARAMETER = /(\bpassword\s*=\s*)(?:'[^']*'|[^\s&;'"]+)/gi;
/** Hiding shorter values would hide ordinary words. */
const SHORTEST = 4;
const HIDDEN = '***';

/** Returns another program's text without the secrets of the environment and without passwords in URLs. */
export function redactSecrets(text: string, environment: Environment): string {
  const hidden = text.replaceAll(URL_PASSWORD, `$1${HIDDEN}`).replaceAll(PARAMETER, `$1${HIDDEN}`);
  return secretsOf(environment).reduce((rest, secret) => rest.replaceAll(secret, HIDDEN), hidden);
}

/** Returns a text without the secrets that this process's environment holds. */
export function withoutSecrets(text: string): string {
  return redactSecrets(text, process.env);
}

/** Returns the secrets, longest first: one may be a part of another. */
function secretsOf(environment: Environment): string[] {
  const secrets = Object.entries(environment).flatMap(([name, value = '']) => {
    if (SECRET_NAME.test(name)) return [value.trim()];
    const password = /^[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*:([^\s@/]*)@/i.exec(value.trim())?.[1];
    if (password !== undefined) return [password, decoded(password)];
    // Of a URL only the password is a secret.
    return SECRET_SETTINGS.has(name) && !value.includes('://') ? [value.trim()] : [];
  });
  return [...new Set(secrets)]
    .filter(({ length }) => length >= SHORTEST)
    .toSorted((left, right) => right.length - left.length);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
