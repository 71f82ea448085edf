import { isTrue } from './setting-parsers.js';
import { IsFlag } from './setting-rules.js';
import { Setting } from './setting.js';
import { MinLength } from './validation.js';

/** Who may read `/metrics`. */
export class MetricsVariables {
  /** Undefined leaves `/metrics` to administrators. Changes with its file, so read it for each use. */
  @Setting('METRICS_TOKEN', {
    text: 'a token that reads `/metrics` and nothing else, for Prometheus; at least 32 characters in production: `openssl rand -hex 32`',
    defaultText: 'none; `/metrics` needs the admin token',
    example: '',
    secret: true,
    family: 'METRICS_',
    parse: String,
  })
  @MinLength(32, { groups: ['production'], message: 'at least 32 characters long in production' })
  readonly token: string | undefined;

  @Setting('METRICS_PUBLIC', {
    text: 'whether `/metrics` needs no token: whoever reaches the port may read it',
    default: 'false',
    family: 'METRICS_',
    parse: isTrue,
  })
  @IsFlag()
  readonly isPublic: boolean;
}
