import { isTrue, parsePublicUrl } from './setting-parsers.js';
import { IsFlag, IsParsedBy } from './setting-rules.js';
import { Setting } from './setting.js';

/** Whether there are pages, and at which address people open them. */
export class DashboardVariables {
  @Setting('DASHBOARD_ENABLED', {
    text: 'whether the service has pages for people: the [dashboard](dashboard.md) at `/`, which needs a sign-in',
    default: 'true',
    parse: isTrue,
  })
  @IsFlag()
  readonly enabled: boolean;

  @Setting('PUBLIC_URL', {
    text: 'the address at which people open the dashboard, for links in alerts and in the log',
    defaultText: 'none',
    example: 'https://pgkeep.clinic.example/',
    family: 'PUBLIC_UR',
    parse: parsePublicUrl,
  })
  @IsParsedBy('isPublicUrl', 'an address such as https://pgkeep.clinic.example/', parsePublicUrl)
  readonly publicUrl: string | undefined;

  @Setting('STATUS_PAGE_ENABLED', {
    text: 'whether `/status` shows to everybody whether the database is ready, and nothing else about it',
    default: 'false',
    family: 'STATUS_PAGE',
    parse: isTrue,
  })
  @IsFlag()
  readonly statusPage: boolean;
}
