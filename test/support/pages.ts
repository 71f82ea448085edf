import {
  Body,
  Controller,
  Get,
  type INestApplication,
  Module,
  Post,
  Req,
  Res,
  UseFilters,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { SessionModule } from '../../src/access/session.module.js';
import { SignInService } from '../../src/access/sign-in.service.js';
import type { AccessRequest, Identity } from '../../src/access/access.types.js';
import type { Environment } from '../../src/config/read-settings.js';
import { ProblemFilter } from '../../src/http/problem.js';
import type { Reply } from '../../src/http/reply.js';
import { PgkeepHttpModule, PgkeepModule, readSettings } from '../../src/index.js';
import { createAdapter } from '../../src/service/serve.js';

/** Pages as small as they can be: who visits them, and a form. */
@Controller()
@UseFilters(ProblemFilter)
class PagesController {
  constructor(private readonly access: SignInService) {}

  @Post('sign-in')
  async signIn(
    @Req() request: AccessRequest,
    @Body() { token, name = '' }: { token: string; name?: string },
    @Res({ passthrough: true }) reply: Reply,
  ): Promise<Identity> {
    const { identity, cookie } = await this.access.signIn(request, { token, name }, '/');
    reply.header('set-cookie', cookie);
    return identity;
  }

  @Post('sign-out')
  async signOut(
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) reply: Reply,
  ): Promise<{ everywhere: boolean }> {
    const { cookie, everywhere } = await this.access.signOut(request, '/');
    reply.header('set-cookie', cookie);
    return { everywhere };
  }

  @Get('page')
  async page(@Req() request: AccessRequest): Promise<Identity> {
    return await this.access.requireVisitor(request, 'viewer');
  }

  @Post('form')
  async form(@Req() request: AccessRequest): Promise<Identity> {
    return await this.access.requireVisitor(request, 'operator');
  }
}

/** An answer, its body parsed. */
export interface PageAnswer {
  readonly status: number;
  /** The header `Set-Cookie`. */
  readonly setCookie: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** An application that imports pgkeep and has pages, on a free port of loopback. */
export class PagesApp {
  private constructor(
    readonly app: INestApplication,
    private readonly url: string,
  ) {}

  static async start(
    environment: Environment,
    framework: 'fastify' | 'express' = 'fastify',
  ): Promise<PagesApp> {
    const settings = readSettings({ NODE_ENV: 'test', ...environment });
    @Module({
      imports: [PgkeepModule.forRoot(settings), PgkeepHttpModule, SessionModule],
      controllers: [PagesController],
    })
    class Application {}
    const adapter = framework === 'fastify' ? createAdapter() : new ExpressAdapter();
    const app = await NestFactory.create(Application, adapter, { logger: false, abortOnError: false });
    await app.listen(0, '127.0.0.1');
    return new PagesApp(app, await app.getUrl());
  }

  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<PageAnswer> {
    return await this.send(path, { headers });
  }

  /** Sends a form from a page of the same host, unless the headers say otherwise. */
  async post(
    path: string,
    headers: Readonly<Record<string, string>> = {},
    body: object = {},
  ): Promise<PageAnswer> {
    const own = { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' };
    return await this.send(path, {
      method: 'POST',
      headers: { ...own, ...headers },
      body: JSON.stringify(body),
    });
  }

  /** Signs in and returns the cookie, as a browser sends it. */
  async signIn(token: string, headers: Readonly<Record<string, string>> = {}, name = ''): Promise<string> {
    const { status, setCookie, body } = await this.post('/sign-in', headers, { token, name });
    if (status !== 201) throw new Error(`signing in failed: ${JSON.stringify(body)}`);
    return setCookie.split(';')[0] ?? '';
  }

  async close(): Promise<void> {
    await this.app.close();
  }

  private async send(path: string, init: RequestInit): Promise<PageAnswer> {
    const response = await fetch(this.url + path, init);
    const body: PageAnswer['body'] = JSON.parse(await response.text());
    return { status: response.status, setCookie: response.headers.get('set-cookie') ?? '', body };
  }
}
