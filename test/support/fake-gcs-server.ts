import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, createReadStream, mkdtempSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CRC32C } from '@google-cloud/storage';

interface FakeObject {
  readonly file: string;
  readonly generation: number;
  readonly updated: string;
  readonly crc32c: string;
}

interface FakeSession {
  readonly name: string;
  readonly file: string;
  readonly crc32c: CRC32C;
  received: number;
}

/** How a request is treated: handled, answered with this status, or cut after this many bytes of its body. */
export type GcsFate = 'pass' | number | { readonly cutAfter: number } | 'hang';

/**
 * A FAKE of Google Cloud Storage's JSON API, made for these tests because no real server is available: one bucket,
 * one token. Written after Google's documentation, and no proof of how Google's servers behave: resumable uploads
 * in steps with `308` and `Range`, asking for the offset, cancelling with `499`; uploads in one request; paged
 * listings; reading with ranges and generations; `ifGenerationMatch`; deleting; 401, 403, 404, 412 and 5xx.
 */
export class FakeGcsServer {
  /**
   * Whether it requires no token: Google's client sends neither a token nor the API's path to STORAGE_EMULATOR_HOST.
   */
  isOpen = false;
  /** Decides about each request, such as `PUT /upload/…`. */
  fate: (request: string) => GcsFate = () => 'pass';
  readonly requests: string[] = [];
  readonly sessions = new Map<string, FakeSession>();
  private readonly objects = new Map<string, FakeObject>();
  private readonly directory = mkdtempSync(path.join(tmpdir(), 'pgkeep-fake-gcs-'));
  private generation = 1_700_000_000_000_000;

  private constructor(
    private readonly server: Server,
    readonly url: string,
    readonly bucket: string,
  ) {}

  static async start(bucket: string): Promise<FakeGcsServer> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address !== 'object' || address === null) throw new Error('a TCP server has an address');
    const fake = new FakeGcsServer(server, `http://127.0.0.1:${address.port}`, bucket);
    server.on('request', (request, answer) => {
      fake.handle(request, answer).catch(() => answer.destroy());
    });
    return fake;
  }

  /** Application-default credentials for this fake: a workload identity whose token the fake issues itself. */
  credentials(token = 'identity'): string {
    const identity = path.join(this.directory, 'identity-token');
    writeFileSync(identity, token);
    const file = path.join(this.directory, `credentials-${token}.json`);
    const credentials = {
      type: 'external_account',
      audience: 'pgkeep-test',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      token_url: `${this.url}/token/${token}`,
      credential_source: { file: identity },
    };
    writeFileSync(file, JSON.stringify(credentials));
    return file;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async handle(request: IncomingMessage, answer: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    const line = `${request.method} ${url.pathname}${url.search}`;
    this.requests.push(line);
    const fate = this.fate(line);
    if (fate === 'hang') return;
    if (url.pathname.startsWith('/token/')) return this.giveToken(answer, url.pathname.slice(7));
    if (typeof fate === 'number')
      return await refuse(request, answer, fate, `the fake was set to answer ${fate}`);
    const cutAfter = fate === 'pass' ? Infinity : fate.cutAfter;
    const { authorization } = request.headers;
    // Google's client omits the token in resumable uploads to another server than Google's.
    const isTokenless =
      this.isOpen || (authorization === undefined && /uploadType=resumable|upload_id=/.test(url.search));
    if (!isTokenless && authorization === undefined) {
      return await refuse(request, answer, 401, 'Anonymous caller does not have storage.objects.get access');
    }
    if (!isTokenless && authorization !== 'Bearer token-of-identity') {
      return await refuse(request, answer, 403, 'caller does not have storage.objects.create access');
    }
    const [, isUpload, bucket = '', name] =
      /^(\/upload)?(?:\/storage\/v1)?\/b\/([^/]+)\/o(?:\/(.*))?$/.exec(url.pathname) ?? [];
    if (bucket !== this.bucket)
      return await refuse(request, answer, 404, 'The specified bucket does not exist.');
    const key = decodeURIComponent(name ?? '');
    const session = this.sessions.get(url.searchParams.get('upload_id') ?? '');
    if (isUpload && url.searchParams.has('upload_id')) {
      if (!session) return await refuse(request, answer, 404, 'No such upload');
      return await this.continueUpload(request, answer, url, session, cutAfter);
    }
    if (isUpload) return await this.beginUpload(request, answer, url);
    request.resume();
    if (name === undefined) return this.list(answer, url);
    const object = this.objects.get(key);
    const generation = url.searchParams.get('generation');
    if (!object || (generation !== null && Number(generation) !== object.generation)) {
      return await refuse(request, answer, 404, `No such object: ${bucket}/${key}`);
    }
    if (request.method === 'DELETE') {
      this.objects.delete(key);
      answer.writeHead(204).end();
    } else if (url.searchParams.get('alt') === 'media') {
      this.download(request, answer, object, cutAfter);
    } else {
      reply(answer, 200, this.describe(key, object));
    }
  }

  private giveToken(answer: ServerResponse, identity: string): void {
    const access_token = `token-of-${identity}`;
    const issued_token_type = 'urn:ietf:params:oauth:token-type:access_token';
    reply(answer, 200, { access_token, issued_token_type, token_type: 'Bearer', expires_in: 3600 });
  }

  private async beginUpload(request: IncomingMessage, answer: ServerResponse, url: URL): Promise<void> {
    const name = url.searchParams.get('name') ?? '';
    const wanted = url.searchParams.get('ifGenerationMatch');
    if (wanted !== null && Number(wanted) !== (this.objects.get(name)?.generation ?? 0)) {
      return await refuse(
        request,
        answer,
        412,
        'At least one of the pre-conditions you specified did not hold.',
      );
    }
    const id = randomUUID();
    const file = path.join(this.directory, id);
    writeFileSync(file, '');
    if (url.searchParams.get('uploadType') === 'resumable') {
      request.resume();
      await once(request, 'end');
      this.sessions.set(id, { name, file, crc32c: new CRC32C(), received: 0 });
      url.searchParams.set('upload_id', id);
      answer.writeHead(200, { location: url.href, 'content-length': 0 }).end();
      return;
    }
    const body = Buffer.concat(await request.toArray());
    const content = secondPartOf(body, request.headers['content-type'] ?? '');
    writeFileSync(file, content);
    const crc32c = new CRC32C();
    crc32c.update(content);
    reply(answer, 200, this.store(name, file, crc32c));
  }

  private async continueUpload(
    request: IncomingMessage,
    answer: ServerResponse,
    url: URL,
    session: FakeSession,
    cutAfter: number,
  ): Promise<void> {
    if (request.method === 'DELETE') {
      this.sessions.delete(url.searchParams.get('upload_id') ?? '');
      answer.writeHead(499, { 'content-length': 0 }).end();
      return;
    }
    const [, start, total = '*'] =
      /^bytes (?:(\d+)-\d+|\*)\/(\d+|\*)$/.exec(request.headers['content-range'] ?? '') ?? [];
    if (start !== undefined && Number(start) !== session.received) {
      return await refuse(request, answer, 503, 'The step does not begin where the last one ended.');
    }
    let taken = 0;
    for await (const chunk of request) {
      taken += chunk.length;
      if (taken > cutAfter) {
        // What arrived in steps of 256 KiB is kept, as by Google's servers.
        request.socket.resetAndDestroy();
        return;
      }
      appendFileSync(session.file, chunk);
      session.crc32c.update(chunk);
      session.received += chunk.length;
    }
    if (total !== '*' && session.received === Number(total)) {
      this.sessions.delete(url.searchParams.get('upload_id') ?? '');
      reply(answer, 200, this.store(session.name, session.file, session.crc32c));
    } else {
      const range = session.received > 0 ? { range: `bytes=0-${session.received - 1}` } : {};
      answer.writeHead(308, { ...range, 'content-length': 0 }).end();
    }
  }

  private store(name: string, file: string, crc32c: CRC32C): object {
    this.generation += 1;
    const object = {
      file,
      generation: this.generation,
      updated: new Date().toISOString(),
      crc32c: crc32c.toString(),
    };
    this.objects.set(name, object);
    return this.describe(name, object);
  }

  private describe(name: string, { file, generation, updated, crc32c }: FakeObject): object {
    const size = String(statSync(file).size);
    return {
      kind: 'storage#object',
      bucket: this.bucket,
      name,
      generation: String(generation),
      updated,
      size,
      crc32c,
    };
  }

  private list(answer: ServerResponse, url: URL): void {
    const limit = Math.min(1000, Number(url.searchParams.get('maxResults') ?? 1000));
    const after = url.searchParams.get('pageToken') ?? '';
    const rest = [...this.objects.keys()]
      .filter((name) => name.startsWith(url.searchParams.get('prefix') ?? '') && name > after)
      .toSorted();
    const page = rest.slice(0, limit);
    const items = page.flatMap((name) => {
      const object = this.objects.get(name);
      return object ? [this.describe(name, object)] : [];
    });
    reply(answer, 200, {
      kind: 'storage#objects',
      items,
      ...(rest.length > limit && { nextPageToken: page.at(-1) }),
    });
  }

  private download(
    request: IncomingMessage,
    answer: ServerResponse,
    object: FakeObject,
    cutAfter: number,
  ): void {
    const size = statSync(object.file).size;
    const start = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    answer.writeHead(start > 0 ? 206 : 200, {
      'content-length': size - start,
      'content-type': 'application/octet-stream',
      'x-goog-generation': object.generation,
      'x-goog-hash': `crc32c=${object.crc32c}`,
      'x-goog-stored-content-encoding': 'identity',
      ...(start > 0 && { 'content-range': `bytes ${start}-${size - 1}/${size}` }),
    });
    let sent = 0;
    const source = createReadStream(object.file, { start });
    source.on('data', (chunk) => {
      sent += chunk.length;
      if (sent > cutAfter) answer.destroy();
    });
    source.pipe(answer);
    answer.once('close', () => source.destroy());
  }
}

function reply(answer: ServerResponse, status: number, body: object): void {
  answer.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' }).end(JSON.stringify(body));
}

async function refuse(
  request: IncomingMessage,
  answer: ServerResponse,
  code: number,
  message: string,
): Promise<void> {
  request.resume();
  await once(request, 'end');
  reply(answer, code, { error: { code, message, errors: [{ message, domain: 'global', reason: 'fake' }] } });
}

/** The content of a `multipart/related` upload, whose first part describes it. */
function secondPartOf(body: Buffer, contentType: string): Buffer {
  const boundary = `--${/boundary=(.+)$/.exec(contentType)?.[1] ?? ''}`;
  const second = body.indexOf(boundary, boundary.length);
  const start = body.indexOf('\r\n\r\n', second) + 4;
  return body.subarray(start, body.lastIndexOf(`\r\n${boundary}`));
}
