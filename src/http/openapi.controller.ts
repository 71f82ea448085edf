import { Controller, Get, Header, UseFilters } from '@nestjs/common';
import { ApplicationChecks } from '../readiness/application-checks.js';
import { ProblemFilter } from './problem.js';

/** `/openapi.json`: the contract of this service. */
@Controller()
@UseFilters(ProblemFilter)
export class OpenApiController {
  private readonly added: readonly string[];

  constructor(application: ApplicationChecks) {
    this.added = application.checks.map(({ name }) => name);
  }

  /** Returns the document, which is loaded when it is asked for. */
  @Get('openapi.json')
  @Header('cache-control', 'no-store')
  async document(): Promise<object> {
    const { openApiDocument } = await import('./openapi-document.js');
    return openApiDocument(this.added);
  }
}
