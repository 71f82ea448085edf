import { Body, Controller, Delete, Get, Header, HttpCode, Post, Query, UseFilters } from '@nestjs/common';
import { LazyModuleLoader } from '@nestjs/core';
import { actorOf, type Identity } from '../access/access.types.js';
import type { AlertsService } from '../alerts/alerts.service.js';
import type { AlertsReport, Silence, SilenceReport, TestAlertReport } from '../alerts/alerts.types.js';
import { IsOptional, Matches, ValidateBy } from '../config/validation.js';
import { PgkeepError } from '../core/errors.js';
import { ProblemFilter } from './problem.js';
import { parametersOf, requireNoParameters } from './request-parameters.js';
import { Caller, Requires } from './requires.js';

const LONGEST_SECONDS = 31 * 86_400;

/** Accepts a number of seconds, of at most 31 days. */
function IsDuration(): PropertyDecorator {
  return ValidateBy({
    name: 'isDuration',
    validator: {
      validate: (value: unknown) =>
        Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= LONGEST_SECONDS,
      defaultMessage: () => `a whole number of seconds from 1 to ${LONGEST_SECONDS}`,
    },
  });
}

/** What is silenced, for how long, and why. */
class SilenceParameters {
  @Matches(/^[A-Z][A-Z0-9_]{1,63}$/, { message: 'the code of an alert, such as BLOCKED' })
  code = '';

  /** Defaults to every subject. */
  @IsOptional()
  @Matches(/^.{0,500}$/su, { message: 'a text of at most 500 characters' })
  subject?: string;

  @IsDuration()
  seconds = 0;

  @Matches(/^(?=.*\S).{1,2000}$/su, { message: 'a text of at most 2,000 characters: why' })
  because = '';
}

/** `/admin/alerts`: what needs a person, what was silenced, and a test of the receivers. */
@Controller('admin/alerts')
@UseFilters(ProblemFilter)
export class AlertsController {
  constructor(private readonly modules: LazyModuleLoader) {}

  /** Returns the alerts, and the state of the messages. */
  @Requires('viewer')
  @Get()
  @Header('cache-control', 'no-store')
  async list(): Promise<AlertsReport> {
    return await (await this.alerts()).list();
  }

  /** Sends a test to every receiver. */
  @Requires('operator')
  @Post('test')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  async test(@Body() body: unknown, @Caller() caller: Identity): Promise<TestAlertReport> {
    requireNoParameters(body);
    return await (await this.alerts()).test(actorOf(caller));
  }

  /** Returns the silences in force. */
  @Requires('viewer')
  @Get('silences')
  @Header('cache-control', 'no-store')
  async silences(): Promise<{ silences: Silence[] }> {
    return { silences: await (await this.alerts()).silences() };
  }

  /** Silences alerts for a while. */
  @Requires('operator')
  @Post('silences')
  @HttpCode(201)
  @Header('cache-control', 'no-store')
  async silence(@Body() body: unknown, @Caller() caller: Identity): Promise<SilenceReport> {
    const { code, subject, seconds, because } = parametersOf(SilenceParameters, body);
    const request = { code, subject, seconds, because, actor: actorOf(caller) };
    return await (await this.alerts()).silence(request);
  }

  /** Ends a silence. */
  @Requires('operator')
  @Delete('silences')
  @Header('cache-control', 'no-store')
  async unsilence(@Caller() caller: Identity, @Query('id') id?: unknown): Promise<SilenceReport> {
    if (typeof id !== 'string' || !/^[1-9]\d{0,8}$/.test(id)) {
      throw new PgkeepError('USAGE_INVALID', 'The query parameter id must be the number of a silence.', {
        hint: 'GET /admin/alerts/silences lists them.',
      });
    }
    return await (await this.alerts()).unsilence(Number(id), actorOf(caller));
  }

  /** Loads the module at the first request: the start of the service needs none of it. */
  private async alerts(): Promise<AlertsService> {
    const [{ AlertsModule }, loaded] = await Promise.all([
      import('../alerts/alerts.module.js'),
      import('../alerts/alerts.service.js'),
    ]);
    const module = await this.modules.load(() => AlertsModule, { logger: false });
    return module.get(loaded.AlertsService);
  }
}
