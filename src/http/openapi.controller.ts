import { Controller, Get, Header, UseFilters } from '@nestjs/common';
import { openApiDocument } from './openapi.js';
import { ProblemFilter } from './problem.filter.js';

/** `/openapi.json`: this service's contract. */
@Controller()
@UseFilters(ProblemFilter)
export class OpenApiController {
  @Get('openapi.json')
  @Header('cache-control', 'no-store')
  document(): object {
    return openApiDocument;
  }
}
