import type { Environment } from './read-settings.js';

/** Names of variables whose whole value is a secret. */
const SECRET_NAME = /PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|_KEY$|IDENTITY/i;
/** `//user:password@`, and `password=…` of a connection URL or a key-value string. */
const URL_PASSWORD = /(\/\/[^\s:/@]*:)[^\s@/]*(?=@)/g;
const PARAMETER = /(\bpassword\s*=\s*)(?:'[^']*'|[^\s&;'"]+)/gi;
/** Shorter values would blank out ordinary words. */
const SHORTEST = 4;
const HIDDEN = '***';

/** A text of another program's without the secrets that the environment holds, and without passwords in URLs. Pure. */
export function redactSecrets(text: string, environment: Environment): string {
  const hidden = text.replaceAll(URL_PASSWORD, `$1${HIDDEN}`).replaceAll(PARAMETER, `$1${HIDDEN}`);
  return secretsOf(environment).reduce((rest, secret) => rest.replaceAll(secret, HIDDEN), hidden);
}

/** Returns a text without the secrets that this process's environment holds. */
export function withoutSecrets(text: string): string {
  return redactSecrets(text, process.env);
}

/** The longest first: one may be a part of another. */
function secretsOf(environment: Environment): string[] {
  const secrets = Object.entries(environment).flatMap(([name, value = '']) => {
    if (SECRET_NAME.test(name)) return [value.trim()];
    const password = /^[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*:([^\s@/]*)@/i.exec(value.trim())?.[1];
    return password === undefined ? [] : [password, decoded(password)];
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
