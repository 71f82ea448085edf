import { Setting } from './setting.js';
import { isTrue, parseList, parsePath } from './setting-parsers.js';
import { IsFlag, IsNameList, IsWholeNumber } from './setting-rules.js';

/** Which migrations there are, and what the lint requires of them. */
export class MigrationVariables {
  /** The guarded application's migrations, absolute. */
  @Setting('MIGRATIONS_DIR', {
    text: 'the application’s migrations; commands also use `migrations.path` of `prisma.config.ts`. See [the Prisma configuration](prisma-config.md)',
    default: 'prisma/migrations',
    parse: parsePath,
  })
  readonly migrationsDirectory: string;

  /** Columns that name a row's owner; undefined leaves the choice to the lint. */
  @Setting('MIGRATIONS_OWNER_COLUMNS', {
    text: 'columns that name a row’s owner, comma separated; if set, `migrate lint` requires one of them in every new table, otherwise only if other tables have one',
    defaultText: '`owner_id,ownerId`',
    example: 'owner_id,tenant_id',
    parse: parseList,
  })
  @IsNameList('columns such as owner_id,tenant_id')
  readonly ownerColumns: readonly string[] | undefined;
}

/** The timeouts of a deploy, and the tables that it must not empty. */
export class DeployVariables {
  /** `lock_timeout` of a migration. */
  @Setting('MIGRATIONS_LOCK_TIMEOUT', {
    text: '`lock_timeout` of a migration in `migrate deploy`; the migration is then retried three times. A migration that sets its own `lock_timeout` or `statement_timeout` keeps it',
    default: '5000',
    unit: 'milliseconds',
    parse: Number,
  })
  @IsWholeNumber({ min: 1, max: 2_147_483_647 })
  readonly lockTimeoutMs: number;

  /** `statement_timeout` of a migration. */
  @Setting('MIGRATIONS_STATEMENT_TIMEOUT', {
    text: '`statement_timeout` of a migration in `migrate deploy`',
    default: '900000',
    unit: 'milliseconds',
    parse: Number,
  })
  @IsWholeNumber({ min: 1, max: 2_147_483_647 })
  readonly statementTimeoutMs: number;

  /** Tables that must not lose rows: `schema.table` or `table`, unquoted. */
  @Setting('PROTECTED_TABLES', {
    text: 'tables that must not lose rows in a deploy, comma separated, with or without a schema, spelled as in the database. A migration that drops, truncates or deletes from one is refused; one after which it has fewer rows fails the deploy',
    default: '',
    example: 'children,billing.Invoice',
    parse: (text) => (text === '' ? [] : parseList(text)),
  })
  @IsNameList('tables such as children,billing.Invoice')
  readonly protectedTables: readonly string[];
}

/** What the guard of Prisma's commands allows. */
export class GuardVariables {
  @Setting('PRISMA_DB_PUSH_ALLOWED', {
    text: 'whether `prisma db push` may change a staging database; production always refuses `db push`, and fails `/ready` if this is `true`',
    default: 'false',
    family: 'PRISMA_DB_',
    parse: isTrue,
  })
  @IsFlag()
  readonly dbPushAllowed: boolean;

  @Setting('PGKEEP_GUARD_OVERRIDE', {
    text: 'typed before one refused Prisma command, allows it; not read from `.env` files. See [override](guard.md#override-the-prisma-guard)',
    example: 'I MEAN IT: COMMAND on DATABASE',
    family: 'PGKEEP_GUARD_',
    parse: String,
  })
  readonly override: string | undefined;
}
