import { Injectable, Logger } from '@nestjs/common';
import {
  actorOf,
  type AccessRequest,
  type Identity,
  includesRole,
  type Role,
} from '../access/access.types.js';
import { retryAfterOf } from '../access/failure-throttle.js';
import { SignInService } from '../access/sign-in.service.js';
import { Clock } from '../core/clock.js';
import { errorCode, messageOf, PgkeepError } from '../core/errors.js';
import { type Problem, problemOf } from '../http/problem.js';
import { MaintenanceService } from '../maintenance/maintenance.service.js';
import type { Overview } from '../overview/overview.types.js';
import { OverviewService } from '../overview/overview.service.js';
import { ReadinessMonitor } from '../readiness/readiness-monitor.js';
import { htmlReport } from '../restore/test/html-report.js';
import { RestoreTestService } from '../restore/test/restore-test.service.js';
import { type Answer, download, etagOf, fragment, page, refused, seeOther } from './answer.js';
import { ASSET_NAMES, assetOf } from './assets.js';
import { ChartHistory } from './chart-history.js';
import { errorPage } from './error-page.js';
import type { Html } from './html.js';
import { noticeOf, type PageName, PAGES, shell, titleOf } from './layout.js';
import { overviewPage } from './overview-page.js';
import { PAGE_BODIES } from './page-bodies.js';
import { restoreTestPage } from './restore-tests.js';
import { rangeOf } from './scale.js';
import { signInPage } from './sign-in-page.js';
import { statusPage } from './status-page.js';
import type { View } from './view.js';

/** What the pages read of a request: what Fastify's and Express' requests have in common. */
export interface PageRequest extends AccessRequest {
  /** The path and the query, as the browser sent them. */
  readonly url: string;
}

type Fields = Readonly<Record<string, unknown>>;

/** Ages in the pages are as of full steps of this time, so that a page stays the same in between. */
const STEP_MS = 15_000;
/** A page is made again after this time: many tabs are answered with one. */
const KEEP_MS = 2000;

/** The inside of a page. */
interface Made {
  readonly overview: Overview;
  readonly markup: Html;
  readonly title: string;
  readonly etag: string;
}

interface Kept {
  readonly atMs: number;
  readonly making: Promise<Made>;
}

/** Answers the requests for pages: recognizes the visitor, makes the page from the overview, carries out forms. */
@Injectable()
export class PagesService {
  private readonly logger = new Logger('Dashboard');
  private readonly made = new Map<string, Kept>();

  constructor(
    private readonly signIns: SignInService,
    private readonly overviews: OverviewService,
    private readonly maintenance: MaintenanceService,
    private readonly restoreTests: RestoreTestService,
    private readonly readiness: ReadinessMonitor,
    private readonly history: ChartHistory,
    private readonly clock: Clock,
  ) {}

  /** The overview, at the address where the pages are mounted. Without a slash at its end, links would lead elsewhere. */
  async index(request: PageRequest, query: Fields): Promise<Answer> {
    const path = pathOf(request);
    if (!path.endsWith('/')) return seeOther(`${path.slice(path.lastIndexOf('/') + 1)}/overview`);
    return await this.show(request, query, undefined);
  }

  /** One of the pages, by the last part of its address. */
  async page(request: PageRequest, query: Fields): Promise<Answer> {
    const name = pathOf(request).split('/').at(-1);
    return await this.show(request, query, PAGES.find(([known]) => known === name)?.[0]);
  }

  /** What is inside `main` of the overview, for the script: 304 while nothing has changed. */
  async live(request: PageRequest, query: Fields): Promise<Answer> {
    return await this.answer(
      async () => {
        const visitor = await this.signIns.requireVisitor(request, 'viewer');
        const { markup, title, etag } = await this.main(undefined, query, visitor);
        const known = request.headers['if-none-match'];
        return fragment(markup.text, title, etag, typeof known === 'string' ? known : undefined);
      },
      (problem) => page(errorPage(ASSET_NAMES, problem), problem.status),
    );
  }

  /** The page of one restore test. */
  async restoreTest(request: PageRequest, query: Fields): Promise<Answer> {
    return await this.asVisitor(request, 'viewer', async (visitor) => {
      const report = await this.restoreTests.report(Number(query['number']));
      const overview = await this.overviews.latest();
      const viewer = { name: visitor.name, mayAct: false };
      return page(
        shell({
          overview,
          viewer,
          assets: ASSET_NAMES,
          current: 'restore-tests',
          main: restoreTestPage(report),
        }),
      );
    });
  }

  /** The report of one restore test, as `pgkeep restore test --report` writes it. */
  async restoreTestReport(request: PageRequest, query: Fields): Promise<Answer> {
    return await this.asVisitor(request, 'viewer', async () => {
      const report = await this.restoreTests.report(Number(query['number']));
      return download(`restore-test-${report.number ?? ''}-${report.backup}.html`, htmlReport(report));
    });
  }

  signInForm(): Answer {
    return page(signInPage(ASSET_NAMES));
  }

  /** Begins a session and leads to the overview; shows the form again, with the reason, where it is refused. */
  async signIn(request: PageRequest, { token, name }: Fields): Promise<Answer> {
    return await this.answer(
      async () => {
        const form = { token: textOf(token), name: textOf(name) };
        const { cookie } = await this.signIns.signIn(request, form, mountOf(request));
        return seeOther('overview', { 'set-cookie': cookie });
      },
      (problem, retryAfterSeconds) =>
        refused(problem, signInPage(ASSET_NAMES, sentenceOf(problem)), retryAfterSeconds),
    );
  }

  async signOut(request: PageRequest): Promise<Answer> {
    return await this.answer(
      async () => {
        const { cookie } = await this.signIns.signOut(request, mountOf(request));
        return seeOther('sign-in', { 'set-cookie': cookie });
      },
      (problem) => page(errorPage(ASSET_NAMES, problem), problem.status),
    );
  }

  /** Carries out a form, by the last part of its address, for those whose role is `operator` at least. */
  async act(request: PageRequest): Promise<Answer> {
    const action = pathOf(request).split('/').at(-1);
    return await this.asVisitor(request, 'operator', async (visitor) => {
      try {
        return seeOther(`overview?done=${await this.perform(action, visitor)}`);
      } catch (error) {
        if (errorCode(error) !== 'JOB_RUNNING') throw error;
        return seeOther('overview?done=already-running');
      }
    });
  }

  /** The public page. It says whether the database is ready, and nothing else. */
  async status(): Promise<Answer> {
    return page(statusPage(ASSET_NAMES, await this.readiness.verdict()));
  }

  asset(name: string): Answer | undefined {
    return assetOf(name);
  }

  private async perform(action: string | undefined, visitor: Identity): Promise<string> {
    const actor = actorOf(visitor);
    if (action === 'silence') throw new PgkeepError('USAGE_INVALID', 'Alerts cannot be silenced yet.');
    await this.maintenance.begin(action === 'back-up' ? 'backup' : 'restore-test', { actor });
    this.overviews.expire('jobs', 'auditLog');
    this.made.clear();
    return action === 'back-up' ? 'backup-begun' : 'restore-test-begun';
  }

  private async show(request: PageRequest, query: Fields, name: PageName | undefined): Promise<Answer> {
    return await this.asVisitor(request, 'viewer', async (visitor) => {
      const main = await this.main(name, query, visitor);
      const viewer = { name: visitor.name, mayAct: includesRole(visitor.role, 'operator') };
      return page(
        shell({
          overview: main.overview,
          viewer,
          assets: ASSET_NAMES,
          current: name,
          notice: noticeOf(query['done']),
          main: main.markup,
          ...(name === undefined && { liveFrom: `ui/live?range=${rangeOf(query['range'])?.name ?? ''}` }),
        }),
      );
    });
  }

  /** Makes the inside of a page, or returns the one that was made a moment ago for the same role. */
  private async main(name: PageName | undefined, query: Fields, visitor: Identity): Promise<Made> {
    const mayAct = includesRole(visitor.role, 'operator');
    const range = rangeOf(query['range']) ?? (await this.history.suitableRange());
    const key = [name, range.name, mayAct].join(' ');
    const nowMs = this.clock.monotonicMs();
    const known = this.made.get(key);
    if (known && nowMs - known.atMs < KEEP_MS) return await known.making;
    const making = this.make(name, { range, viewer: { name: '', mayAct } });
    this.made.set(key, { atMs: nowMs, making });
    return await making;
  }

  private async make(name: PageName | undefined, part: Pick<View, 'range' | 'viewer'>): Promise<Made> {
    const [overview, series] = await Promise.all([
      this.overviews.latest({ withTables: name === 'tables' }),
      this.history.points(part.range),
    ]);
    const now = new Date(Math.floor(this.clock.now().getTime() / STEP_MS) * STEP_MS);
    const view: View = { ...part, overview, now, series };
    const markup = name === undefined ? overviewPage(view) : PAGE_BODIES[name](view);
    return { overview, markup, title: titleOf(overview), etag: etagOf(markup.text) };
  }

  /** Runs `work` for a visitor with this role; others are led to the sign-in, or are shown why not. */
  private async asVisitor(
    request: PageRequest,
    role: Role,
    work: (visitor: Identity) => Promise<Answer>,
  ): Promise<Answer> {
    return await this.answer(
      async () => await work(await this.signIns.requireVisitor(request, role)),
      (problem, retryAfterSeconds) =>
        problem.code === 'SIGN_IN_REQUIRED'
          ? seeOther('sign-in')
          : refused(problem, errorPage(ASSET_NAMES, problem), retryAfterSeconds),
    );
  }

  private async answer(
    work: () => Promise<Answer>,
    refuse: (problem: Problem, retryAfterSeconds: number | undefined) => Answer,
  ): Promise<Answer> {
    try {
      return await work();
    } catch (error) {
      const problem = problemOf(error);
      if (problem.code === 'INTERNAL') {
        this.logger.error(messageOf(error), error instanceof Error ? error.stack : undefined);
      }
      return refuse(problem, retryAfterOf(error));
    }
  }
}

/** Returns the path of a request's address. */
function pathOf({ url }: PageRequest): string {
  return url.split('?')[0] ?? '';
}

/** Returns the path below which the pages are mounted: the cookie of a session is sent there. */
function mountOf(request: PageRequest): string {
  const path = pathOf(request);
  return path.slice(0, path.lastIndexOf('/') + 1) || '/';
}

function textOf(field: unknown): string {
  return typeof field === 'string' ? field : '';
}

function sentenceOf({ detail, hint }: Problem): string {
  return [detail, hint].filter(Boolean).join(' ');
}
