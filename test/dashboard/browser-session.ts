import { ADMIN_TOKEN } from '../support/production.js';

/** An answer to a request as a browser sends it; redirects are not followed. */
export interface PageAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

interface BrowserRequest {
  readonly method?: string;
  readonly body?: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
}

/** Requests as a browser sends them, with the cookie of a session. */
export class BrowserSession {
  private cookie = '';

  constructor(readonly base: string) {}

  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<PageAnswer> {
    return await this.send(path, { headers });
  }

  /** Sends a form, from a page of the same site unless the headers say otherwise. */
  async post(
    path: string,
    fields: Readonly<Record<string, string>> = {},
    headers: Readonly<Record<string, string>> = { 'sec-fetch-site': 'same-origin' },
  ): Promise<PageAnswer> {
    return await this.send(path, { method: 'POST', body: new URLSearchParams(fields), headers });
  }

  async signIn(path: string, name = 'Maria', token = ADMIN_TOKEN): Promise<PageAnswer> {
    const answer = await this.post(path, { token, name });
    this.cookie = answer.headers.get('set-cookie')?.split(';')[0] ?? this.cookie;
    return answer;
  }

  private async send(path: string, { headers, ...init }: BrowserRequest): Promise<PageAnswer> {
    const response = await fetch(new URL(path, this.base), {
      ...init,
      headers: { cookie: this.cookie, ...headers },
      redirect: 'manual',
    });
    return { status: response.status, headers: response.headers, text: await response.text() };
  }
}
