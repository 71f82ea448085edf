import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { once } from 'node:events';

/**
 * A fake server that implements the part of S3 that an upload uses, and accepts a limited number of parts per object,
 * as OpenStack Swift does: a part beyond the limit is refused in Swift's words.
 */
export class FakeFewPartsServer {
  /** The length of each part, by its number; one entry for a request that is a complete object. */
  readonly parts: number[] = [];
  url = '';

  private constructor(
    private readonly server: Server,
    private readonly mostParts: number,
  ) {}

  static async start(mostParts: number): Promise<FakeFewPartsServer> {
    const server = createServer();
    const few = new FakeFewPartsServer(server, mostParts);
    server.on('request', (request, response) => void few.answer(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (typeof address !== 'object' || !address) throw new Error('no address');
    few.url = `http://127.0.0.1:${address.port}`;
    return few;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let bytes = 0;
    for await (const chunk of request) bytes += Buffer.from(chunk).length;
    const { searchParams } = new URL(request.url ?? '/', this.url);
    const number = Number(searchParams.get('partNumber') ?? 1);
    if (request.method === 'PUT' && number > this.mostParts) {
      const message = `Part number must be an integer between 1 and ${this.mostParts}, inclusive`;
      response.writeHead(400, { 'Content-Type': 'application/xml' });
      response.end(`<Error><Code>InvalidArgument</Code><Message>${message}</Message></Error>`);
      return;
    }
    if (request.method === 'PUT') this.parts[number - 1] = bytes;
    const isGone = request.method === 'GET' && searchParams.has('uploadId');
    response.writeHead(isGone ? 404 : 200, { 'Content-Type': 'application/xml', ETag: `"${number}"` });
    response.end(request.method === 'POST' ? RESULT[searchParams.has('uploads') ? 'begun' : 'done'] : '');
  }
}

const RESULT = {
  begun: '<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>',
  done: '<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>',
} as const;
