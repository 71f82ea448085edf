import {
  Body,
  Controller,
  Get,
  Inject,
  NotFoundException,
  Param,
  Post,
  Query,
  Req,
  Res,
  UseFilters,
} from '@nestjs/common';
import { LazyModuleLoader } from '@nestjs/core';
import type { Settings } from '../config/settings.js';
import { SETTINGS } from '../config/settings.token.js';
import { ProblemFilter } from '../http/problem.js';
import type { Reply } from '../http/reply.js';
import type { Answer } from './answer.js';
import type { PageRequest, PagesService } from './pages.service.js';

/** The parameters of an address, or the fields of a form. */
type Fields = Readonly<Record<string, unknown>>;

/**
 * The pages for people. Every answer comes from `PagesService`, which is loaded with all that it needs when the first
 * page is asked for: the start of the service waits for none of it.
 */
@Controller()
@UseFilters(ProblemFilter)
export class DashboardController {
  private pages: PagesService | undefined;

  constructor(
    @Inject(SETTINGS) private readonly settings: Settings,
    private readonly modules: LazyModuleLoader,
  ) {}

  @Get()
  async index(@Req() request: PageRequest, @Query() query: Fields, @Res() reply: Reply): Promise<void> {
    await this.answer(reply, (pages) => pages.index(request, query));
  }

  @Get([
    'overview',
    'activity',
    'backups',
    'restore-tests',
    'migrations',
    'statements',
    'tables',
    'audit-log',
  ])
  async page(@Req() request: PageRequest, @Query() query: Fields, @Res() reply: Reply): Promise<void> {
    await this.answer(reply, (pages) => pages.page(request, query));
  }

  @Get('restore-test')
  async restoreTest(@Req() request: PageRequest, @Query() query: Fields, @Res() reply: Reply): Promise<void> {
    await this.answer(reply, (pages) => pages.restoreTest(request, query));
  }

  @Get('restore-test-report')
  async report(@Req() request: PageRequest, @Query() query: Fields, @Res() reply: Reply): Promise<void> {
    await this.answer(reply, (pages) => pages.restoreTestReport(request, query));
  }

  @Get('ui/live')
  async live(@Req() request: PageRequest, @Query() query: Fields, @Res() reply: Reply): Promise<void> {
    await this.answer(reply, (pages) => pages.live(request, query));
  }

  @Get('ui/:file')
  async asset(@Param('file') file: string, @Res() reply: Reply): Promise<void> {
    await this.answer(
      reply,
      (pages) => pages.asset(file),
      this.isEnabled || this.settings.dashboard.statusPage,
    );
  }

  @Get('sign-in')
  async signInForm(@Res() reply: Reply): Promise<void> {
    await this.answer(reply, (pages) => pages.signInForm());
  }

  @Post('sign-in')
  async signIn(@Req() request: PageRequest, @Body() form: Fields, @Res() reply: Reply): Promise<void> {
    await this.answer(reply, (pages) => pages.signIn(request, form));
  }

  @Post('sign-out')
  async signOut(@Req() request: PageRequest, @Res() reply: Reply): Promise<void> {
    await this.answer(reply, (pages) => pages.signOut(request));
  }

  @Post(['back-up', 'test-restore', 'silence'])
  async act(@Req() request: PageRequest, @Body() form: Fields, @Res() reply: Reply): Promise<void> {
    await this.answer(reply, (pages) => pages.act(request, form));
  }

  /** For everybody, where STATUS_PAGE_ENABLED=true. */
  @Get('status')
  async status(@Res() reply: Reply): Promise<void> {
    await this.answer(reply, (pages) => pages.status(), this.settings.dashboard.statusPage);
  }

  private get isEnabled(): boolean {
    return this.settings.dashboard.enabled;
  }

  private async answer(
    reply: Reply,
    make: (pages: PagesService) => Answer | undefined | Promise<Answer | undefined>,
    isOpen = this.isEnabled,
  ): Promise<void> {
    const answer = isOpen ? await make((this.pages ??= await this.load())) : undefined;
    if (!answer) throw new NotFoundException('There is no such page.');
    reply.status(answer.status);
    for (const [name, value] of Object.entries(answer.headers)) reply.header(name, value);
    reply.send(answer.body);
  }

  private async load(): Promise<PagesService> {
    const { PagesModule } = await import('./pages.module.js');
    const module = await this.modules.load(() => PagesModule, { logger: false });
    const loaded = await import('./pages.service.js');
    return module.get(loaded.PagesService);
  }
}
