import { createRequire } from 'node:module';
import { isIP } from 'node:net';
import type { ValidationArguments } from 'class-validator';
import { messageOf } from '../core/errors.js';
import { parseDatabaseUrl } from './database-url.js';
import { parseEncryptionKey, parseIdentities } from './encryption-keys.js';
import { parseCommand } from './password-source.js';
import {
  GATE_LIST,
  NO_SCHEDULE,
  parseGates,
  parseIgnored,
  parseNetworks,
  parseSize,
} from './setting-parsers.js';
import { declarationsOf } from './setting.js';
import { IsIn, ValidateBy } from './validation.js';

/*
 * The rules for settings as text, in addition to class-validator's own. Each message completes "NAME must be …".
 */

/** Accepts `true` and `false` in any case. */
export function IsFlag(): PropertyDecorator {
  return accepts('isFlag', 'true or false', (text) => /^(true|false)$/i.test(text));
}

/** Accepts one of several words. */
export function IsOneOf(words: readonly string[]): PropertyDecorator {
  return IsIn(words, { message: `${words.slice(0, -1).join(', ')} or ${words.at(-1) ?? ''}` });
}

/**
 * Accepts a whole number in digits, from `min` (0 by default) to `max`. Without `max` the number is only parsed:
 * `/ready` reports one that is dangerous. `what` names the number if the setting has no unit.
 */
export function IsWholeNumber({
  what,
  min = 0,
  max,
}: { what?: string; min?: number; max?: number } = {}): PropertyDecorator {
  const range = max === undefined ? '' : ` from ${min} to ${max}`;
  return accepts(
    'isWholeNumber',
    (validated) => `a whole number${range} (${what ?? unitOf(validated)})`,
    (text) =>
      /^-?\d{1,15}$/.test(text) && (max === undefined || (Number(text) >= min && Number(text) <= max)),
  );
}

/** Accepts a `postgresql://` URL that {@link parseDatabaseUrl} takes. */
export function IsDatabaseUrl(): PropertyDecorator {
  const accepted = 'a PostgreSQL URL (postgresql://user:password@host:5432/database)';
  return IsParsedBy('isDatabaseUrl', accepted, parseDatabaseUrl);
}

/** Accepts what {@link parseCommand} takes. */
export function IsCommand(): PropertyDecorator {
  return IsParsedBy('isCommand', 'a program and its arguments', parseCommand);
}

/** Accepts a compression that pg_dump 16 takes for `--compress`, with its level. */
export function IsCompression(): PropertyDecorator {
  const accepted = 'none, gzip:1 to gzip:9, lz4:1 to lz4:12 or zstd:1 to zstd:22';
  return accepts('isCompression', accepted, (text) =>
    /^(none|gzip:[1-9]|lz4:([1-9]|1[0-2])|zstd:([1-9]|1\d|2[0-2]))$/.test(text),
  );
}

/** Accepts what {@link parseEncryptionKey} takes. */
export function IsEncryptionKey(): PropertyDecorator {
  const accepted = 'age recipients (age1…) or a passphrase of at least 12 characters';
  return IsParsedBy('isEncryptionKey', accepted, parseEncryptionKey);
}

/** Accepts what {@link parseIdentities} takes. */
export function IsEncryptionIdentity(): PropertyDecorator {
  return IsParsedBy(
    'isEncryptionIdentity',
    'one or more age identities (AGE-SECRET-KEY-1…)',
    parseIdentities,
  );
}

/** Accepts a list such as `backupConfig=latch,environment=warn`. */
export function IsGateList(): PropertyDecorator {
  return IsParsedBy('isGateList', GATE_LIST, parseGates);
}

/** Accepts an IP address or a host name. */
export function IsListenAddress(): PropertyDecorator {
  return accepts(
    'isListenAddress',
    'an IP address or a host name',
    // Digits and dots that are no address, such as 256.1.1.1, would go to the name server.
    (text) =>
      isIP(text) > 0 || (/^[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/i.test(text) && !/^[\d.]+$/.test(text)),
  );
}

/** Accepts what {@link parseNetworks} takes. */
export function IsNetworkList(): PropertyDecorator {
  return IsParsedBy('isNetworkList', 'addresses or networks such as 10.0.0.0/8,fd00::/8', parseNetworks);
}

/** Accepts a size such as `100GB`. */
export function IsSize(): PropertyDecorator {
  return IsParsedBy('isSize', 'a size such as 100GB or 1TiB', parseSize);
}

/** Accepts what {@link parseIgnored} takes. */
export function IsIgnoreList(): PropertyDecorator {
  return IsParsedBy('isIgnoreList', 'codes such as INDEX_DUPLICATE,TABLE_UNLOGGED:staging.*', parseIgnored);
}

/** Accepts `off`, or a cron expression that the scheduler takes and that will match some day. */
export function IsSchedule(): PropertyDecorator {
  return IsParsedBy(
    'isSchedule',
    'a cron expression (minute hour day month weekday, such as "0 2 * * *" for two o’clock every night) or off',
    requireSchedule,
  );
}

/** Accepts the name of a bucket, by the rules that S3 and Google Cloud Storage share. */
export function IsBucket(): PropertyDecorator {
  return accepts('isBucket', 'the name of a bucket, such as clinic-backups', (text) =>
    /^[A-Za-z0-9][A-Za-z0-9._-]{1,220}[A-Za-z0-9]$/.test(text),
  );
}

/** Accepts the `http://` or `https://` URL of a server, without credentials. */
export function IsEndpoint(): PropertyDecorator {
  return accepts(
    'isEndpoint',
    'a URL such as https://s3.example:9000, without credentials (set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)',
    (text) => {
      if (!URL.canParse(text)) return false;
      const { protocol, username, password, search } = new URL(text);
      return /^https?:$/.test(protocol) && !username && !password && !search;
    },
  );
}

/** Accepts comma separated names of `what`: unquoted, spelled as in the database. */
export function IsNameList(what: string): PropertyDecorator {
  return accepts('isNameList', `names of ${what}`, (text) =>
    text.split(',').every((name) => /^[^\s",]+$/.test(name.trim())),
  );
}

/** Accepts an IANA time zone that this machine knows. */
export function IsTimeZone(): PropertyDecorator {
  return accepts('isTimeZone', 'a time zone such as UTC or Asia/Jakarta', (text) => {
    return faultOf(() => new Intl.DateTimeFormat('en', { timeZone: text })) === undefined;
  });
}

function accepts(
  name: string,
  accepted: string | ((validated?: ValidationArguments) => string),
  isAccepted: (text: string) => boolean,
): PropertyDecorator {
  return ValidateBy({
    name,
    validator: {
      validate: (value: unknown) => typeof value === 'string' && isAccepted(value),
      defaultMessage: (validated) => (typeof accepted === 'string' ? accepted : accepted(validated)),
    },
  });
}

/** Accepts what a parser takes. Its error completes the message, and quotes no secret. */
export function IsParsedBy(
  name: string,
  accepted: string,
  parse: (text: string) => unknown,
): PropertyDecorator {
  return accepts(
    name,
    (validated) => `${accepted}: ${faultOf(() => parse(String(validated?.value))) ?? ''}`,
    (text) => faultOf(() => parse(text)) === undefined,
  );
}

function unitOf(validated: ValidationArguments | undefined): string {
  const declarations = declarationsOf(validated?.object.constructor ?? Object);
  return declarations.find(({ property }) => property === validated?.property)?.unit ?? '';
}

function faultOf(parse: () => unknown): string | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/**
 * Checks a cron expression with the parser that will run it. The parser is loaded only for a schedule that was given,
 * because settings are read at every start.
 * @throws Error in the words of the parser.
 */
function requireSchedule(expression: string): void {
  if (expression.toLowerCase() === NO_SCHEDULE) return;
  const { CronTime }: typeof import('cron') = createRequire(import.meta.url)('cron');
  try {
    new CronTime(expression, 'UTC').sendAt();
  } catch (error) {
    const message = messageOf(error);
    throw new Error(message.startsWith('Something went wrong') ? 'no date matches it' : message, {
      cause: error,
    });
  }
}
