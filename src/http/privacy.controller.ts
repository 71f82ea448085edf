import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import {
  Body,
  Controller,
  Delete,
  Get,
  Header,
  HttpCode,
  Param,
  Post,
  Put,
  Query,
  StreamableFile,
  UseFilters,
} from '@nestjs/common';
import { LazyModuleLoader } from '@nestjs/core';
import { actorOf, type Identity } from '../access/access.types.js';
import { IsOptional, Matches } from '../config/validation.js';
import { PgkeepError } from '../core/errors.js';
import type { ActionRequest, HoldReport, Receipt } from '../privacy/privacy.types.js';
import type { PrivacyService } from '../privacy/privacy.service.js';
import type { ExportPart } from '../privacy/read-export.js';
import { RetentionService } from '../retention/retention.service.js';
import { ProblemFilter } from './problem.js';
import { parametersOf } from './request-parameters.js';
import { Caller, Requires } from './requires.js';

/** Who asks, and why. */
class PrivacyParameters {
  @Matches(/\S/, { message: 'a text: who asks for it' })
  by = '';

  @Matches(/\S/, { message: 'a text: why' })
  reason = '';
}

/** The same, and the last day of a hold. */
class HoldParameters extends PrivacyParameters {
  @IsOptional()
  @Matches(/^\d{4}-\d\d-\d\d$/, { message: 'a date: 2027-03-31' })
  until?: string;
}

/** `/admin/privacy/{model}/{id}/…`: what a person may ask for. There is no erasure by HTTP. */
@Controller('admin/privacy/:model/:id')
@UseFilters(ProblemFilter)
@Requires('admin')
export class PrivacyController {
  constructor(
    private readonly modules: LazyModuleLoader,
    private readonly retention: RetentionService,
  ) {}

  /** Marks the record as deleted. */
  @Post('soft-delete')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  async softDelete(
    @Caller() caller: Identity,
    @Param('model') model: string,
    @Param('id') id: string,
    @Body() body: unknown,
  ): Promise<Receipt> {
    const privacy = await this.privacy();
    return await privacy.softDelete({ model, id }, requestOf(caller, parametersOf(PrivacyParameters, body)));
  }

  /** Removes the mark. */
  @Post('restore')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  async restore(
    @Caller() caller: Identity,
    @Param('model') model: string,
    @Param('id') id: string,
    @Body() body: unknown,
  ): Promise<Receipt> {
    const privacy = await this.privacy();
    return await privacy.restore({ model, id }, requestOf(caller, parametersOf(PrivacyParameters, body)));
  }

  /** Replaces the personal values. */
  @Post('anonymize')
  @HttpCode(200)
  @Header('cache-control', 'no-store')
  async anonymize(
    @Caller() caller: Identity,
    @Param('model') model: string,
    @Param('id') id: string,
    @Body() body: unknown,
  ): Promise<Receipt> {
    const request = requestOf(caller, parametersOf(PrivacyParameters, body));
    const privacy = await this.privacy();
    return await privacy.anonymize({ model, id }, request, {
      copies: async () => await this.retention.copies(),
    });
  }

  /** Returns everything about the record, part by part. */
  @Get('export')
  @Header('cache-control', 'no-store')
  async export(
    @Caller() caller: Identity,
    @Param('model') model: string,
    @Param('id') id: string,
    @Query('by') by?: unknown,
    @Query('reason') reason?: unknown,
  ): Promise<StreamableFile> {
    const [who, because] = [textOf('by', by), textOf('reason', reason)];
    const request = {
      actor: actorOf(caller),
      ...(who !== undefined && { by: who }),
      ...(because !== undefined && { because }),
    };
    const [privacy, { jsonPrinter }] = await Promise.all([
      this.privacy(),
      import('../privacy/read-export.js'),
    ]);
    return await streamed(jsonPrinter(), (take) => privacy.readExport({ model, id }, request, take));
  }

  /** Puts a legal hold on the record. */
  @Put('hold')
  @Header('cache-control', 'no-store')
  async hold(
    @Caller() caller: Identity,
    @Param('model') model: string,
    @Param('id') id: string,
    @Body() body: unknown,
  ): Promise<HoldReport> {
    const parameters = parametersOf(HoldParameters, body);
    const privacy = await this.privacy();
    return await privacy.hold({ model, id }, requestOf(caller, parameters), parameters.until);
  }

  /** Ends the legal hold. */
  @Delete('hold')
  @Header('cache-control', 'no-store')
  async release(
    @Caller() caller: Identity,
    @Param('model') model: string,
    @Param('id') id: string,
    @Body() body: unknown,
  ): Promise<HoldReport> {
    const privacy = await this.privacy();
    return await privacy.release({ model, id }, requestOf(caller, parametersOf(PrivacyParameters, body)));
  }

  /** Loads the module at the first request: the start of the service needs none of it. */
  private async privacy(): Promise<PrivacyService> {
    const [{ PrivacyModule }, loaded] = await Promise.all([
      import('../privacy/privacy.module.js'),
      import('../privacy/privacy.service.js'),
    ]);
    const module = await this.modules.load(() => PrivacyModule, { logger: false });
    return module.get(loaded.PrivacyService);
  }
}

function requestOf(caller: Identity, { by, reason }: PrivacyParameters): ActionRequest {
  return { by, because: reason, actor: actorOf(caller) };
}

/** Answers with the first part; an error before it is a problem, and one after it breaks the connection off. */
async function streamed(
  print: (part: ExportPart) => string,
  read: (take: (part: ExportPart) => Promise<void>) => Promise<unknown>,
): Promise<StreamableFile> {
  const stream = new PassThrough();
  return await new Promise((resolve, reject) => {
    let hasBegun = false;
    const take = async (part: ExportPart): Promise<void> => {
      if (stream.destroyed) throw new Error('the client closed the connection');
      const hasRoom = stream.write(print(part));
      if (!hasBegun) resolve(new StreamableFile(stream, { type: 'application/json; charset=utf-8' }));
      hasBegun = true;
      if (!hasRoom) await Promise.race([once(stream, 'drain'), once(stream, 'close')]);
    };
    read(take).then(
      () => stream.end(),
      (error: unknown) => {
        // Ending the stream would pass a part off as the complete document.
        if (hasBegun) stream.destroy(error instanceof Error ? error : new Error(String(error)));
        else reject(error);
      },
    );
  });
}

/** A query parameter that is given once. @throws PgkeepError `USAGE_INVALID`. */
function textOf(name: string, value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  throw new PgkeepError('USAGE_INVALID', `The query parameter ${name} must be one text.`);
}
