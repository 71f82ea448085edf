import { createRequire } from 'node:module';
import { isIP } from 'node:net';
import { messageOf } from '../core/errors.js';
import { ValidateBy } from './validation.js';
import { parseDatabaseUrl } from './database-url.js';
import { parseEncryptionKey, parseIdentities } from './encryption-keys.js';
import { parseGates } from './gates.js';
import { parseNetworks } from './networks.js';
import { parseCommand } from './password-source.js';

/** `true` or `false`, in any case. */
export function IsFlag(): PropertyDecorator {
  return ValidateBy({
    name: 'isFlag',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && /^(true|false)$/i.test(value),
      defaultMessage: () => 'true or false',
    },
  });
}

/** A whole number written in digits; `unit` completes the message. `min` defaults to 0. */
export function IsWholeNumber({
  unit,
  min = 0,
  max,
}: {
  unit: string;
  min?: number;
  max?: number;
}): PropertyDecorator {
  return ValidateBy({
    name: 'isWholeNumber',
    validator: {
      validate: (value: unknown) => {
        if (typeof value !== 'string' || !/^-?\d{1,15}$/.test(value)) return false;
        // Without a stated range the value is only parsed here: a dangerous number is judged by /ready.
        return max === undefined || (Number(value) >= min && Number(value) <= max);
      },
      defaultMessage: () =>
        max === undefined ? `a whole number (${unit})` : `a whole number from ${min} to ${max} (${unit})`,
    },
  });
}

/** A `postgresql://` URL that {@link parseDatabaseUrl} takes. */
export function IsDatabaseUrl(): PropertyDecorator {
  return ValidateBy({
    name: 'isDatabaseUrl',
    validator: {
      validate: (value: unknown) => urlFault(value) === undefined,
      defaultMessage: (arguments_) =>
        `a PostgreSQL URL (postgresql://user:password@host:5432/database): ${urlFault(arguments_?.value) ?? ''}`,
    },
  });
}

/** What {@link parseCommand} takes. */
export function IsCommand(): PropertyDecorator {
  return parsed('isCommand', parseCommand, 'a program and its arguments');
}

/** A compression that pg_dump 16 takes for `--compress`, its level named. */
export function IsCompression(): PropertyDecorator {
  const accepted = /^(none|gzip:[1-9]|lz4:([1-9]|1[0-2])|zstd:([1-9]|1\d|2[0-2]))$/;
  return ValidateBy({
    name: 'isCompression',
    validator: {
      validate: (value: unknown) => typeof value === 'string' && accepted.test(value),
      defaultMessage: () => 'none, gzip:1 to gzip:9, lz4:1 to lz4:12 or zstd:1 to zstd:22',
    },
  });
}

/** What {@link parseEncryptionKey} takes. */
export function IsEncryptionKey(): PropertyDecorator {
  return parsed(
    'isEncryptionKey',
    parseEncryptionKey,
    'age recipients (age1…) or a passphrase of at least 12 characters',
  );
}

/** What {@link parseIdentities} takes. */
export function IsEncryptionIdentity(): PropertyDecorator {
  return parsed('isEncryptionIdentity', parseIdentities, 'one or more age identities (AGE-SECRET-KEY-1…)');
}

/** A list such as `backupConfig=latch,environment=warn`. */
export function IsGateList(): PropertyDecorator {
  return ValidateBy({
    name: 'isGateList',
    validator: {
      validate: (value: unknown) => gatesFault(value) === undefined,
      defaultMessage: (arguments_) =>
        `a list such as backupConfig=latch,environment=warn: ${gatesFault(arguments_?.value) ?? ''}`,
    },
  });
}

/** An IP address, or a host name. */
export function IsListenAddress(): PropertyDecorator {
  return ValidateBy({
    name: 'isListenAddress',
    validator: {
      // Digits and dots that are no address (256.1.1.1) would be asked of the name server.
      validate: (value: unknown) =>
        typeof value === 'string' &&
        (isIP(value) > 0 ||
          (/^[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/i.test(value) && !/^[\d.]+$/.test(value))),
      defaultMessage: () => 'an IP address or a host name',
    },
  });
}

/** What {@link parseNetworks} takes. */
export function IsNetworkList(): PropertyDecorator {
  return parsed('isNetworkList', parseNetworks, 'addresses or networks such as 10.0.0.0/8,fd00::/8');
}

/** A cron expression that the scheduler takes and that comes true, or `off`. */
export function IsSchedule(): PropertyDecorator {
  return ValidateBy({
    name: 'isSchedule',
    validator: {
      validate: (value: unknown) => scheduleFault(String(value)) === undefined,
      defaultMessage: (arguments_) =>
        `a cron expression (minute hour day month weekday, such as "0 2 * * *" for two o’clock every night) or off: ${scheduleFault(String(arguments_?.value)) ?? ''}`,
    },
  });
}

/** A bucket's name, by the rules that S3 and Google Cloud Storage share. */
export function IsBucket(): PropertyDecorator {
  return ValidateBy({
    name: 'isBucket',
    validator: {
      validate: (value: unknown) =>
        typeof value === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{1,220}[A-Za-z0-9]$/.test(value),
      defaultMessage: () => 'the name of a bucket, such as clinic-backups',
    },
  });
}

/** The address of a server: `http://` or `https://`, without credentials. */
export function IsEndpoint(): PropertyDecorator {
  return ValidateBy({
    name: 'isEndpoint',
    validator: {
      validate: (value: unknown) => {
        if (typeof value !== 'string' || !URL.canParse(value)) return false;
        const { protocol, username, password, search } = new URL(value);
        return /^https?:$/.test(protocol) && !username && !password && !search;
      },
      defaultMessage: () =>
        'a URL such as https://s3.example:9000, without credentials (they come by AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)',
    },
  });
}

/** Names of `what`, comma separated; unquoted, in the letters the database has them in. */
export function IsNameList(what: string): PropertyDecorator {
  return ValidateBy({
    name: 'isNameList',
    validator: {
      validate: (value: unknown) =>
        typeof value === 'string' && value.split(',').every((name) => /^[^\s",]+$/.test(name.trim())),
      defaultMessage: () => `names of ${what}`,
    },
  });
}

/** An IANA time zone that this machine knows. */
export function IsTimeZone(): PropertyDecorator {
  return ValidateBy({
    name: 'isTimeZone',
    validator: {
      validate: (value: unknown) =>
        faultOf(() => new Intl.DateTimeFormat('en', { timeZone: String(value) })) === undefined,
      defaultMessage: () => 'a time zone such as UTC or Asia/Jakarta',
    },
  });
}

/** What a parser takes; its error completes the message. */
function parsed(name: string, parse: (text: string) => unknown, accepted: string): PropertyDecorator {
  return ValidateBy({
    name,
    validator: {
      validate: (value: unknown) => faultOf(() => parse(String(value))) === undefined,
      defaultMessage: (arguments_) => `${accepted}: ${faultOf(() => parse(String(arguments_?.value))) ?? ''}`,
    },
  });
}

function urlFault(value: unknown): string | undefined {
  return faultOf(() => parseDatabaseUrl(String(value)));
}

function gatesFault(value: unknown): string | undefined {
  return faultOf(() => parseGates(String(value)));
}

function faultOf(parse: () => unknown): string | undefined {
  try {
    parse();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** What switches a schedule off: the job is run by somebody else, such as a Kubernetes CronJob. */
export const NO_SCHEDULE = 'off';

/**
 * Why a cron expression cannot be used, in the words of the very parser that will run it; undefined where it can.
 * The parser is loaded only for a schedule that was given: settings are read at every start.
 */
function scheduleFault(expression: string): string | undefined {
  if (expression.toLowerCase() === NO_SCHEDULE) return undefined;
  const { CronTime }: typeof import('cron') = createRequire(import.meta.url)('cron');
  try {
    new CronTime(expression, 'UTC').sendAt();
    return undefined;
  } catch (error) {
    const message = messageOf(error);
    return message.startsWith('Something went wrong') ? 'that day never comes' : message;
  }
}
