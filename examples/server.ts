// An engine behind HTTP, with nothing but Node.js: pictures that are asked about at the same time run as one batch.
//   npx tsx examples/server.ts model.engine --port 8080
//   curl --data-binary @flower.jpg -H 'content-type: image/jpeg' http://127.0.0.1:8080/classify
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { loadEngine } from 'presisi';
import { BatchingQueue, QueueFullError } from './batching.js';
import { program, readArguments, wholeNumber } from './command.js';

const MAX_BODY_BYTES = 10 << 20;
const STARTS = [Buffer.from('ffd8ff', 'hex'), Buffer.from('89504e470d0a1a0a', 'hex')]; // JPEG, PNG

/** How long requests under way may take after the server was told to end, in milliseconds. */
const GRACE = 10_000;

class HttpError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

async function readPicture(request: IncomingMessage): Promise<Buffer> {
  let pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of request) {
    bytes += (piece as Buffer).length;
    // Read to its end, so that the client hears the answer; kept no longer than it may be a picture.
    if (bytes <= MAX_BODY_BYTES) pieces.push(piece as Buffer);
    else pieces = [];
  }
  if (bytes > MAX_BODY_BYTES) throw new HttpError(413, `a picture may have ${MAX_BODY_BYTES} bytes`);
  const picture = Buffer.concat(pieces);
  // What the bytes are counts, not what the header says: the decoder knows more formats than strangers should reach.
  if (STARTS.some((start) => picture.subarray(0, start.length).equals(start))) return picture;
  throw new HttpError(415, 'send a JPEG or PNG picture as the body');
}

await program('server <engine> [--port 8080] [--host 127.0.0.1] [--wait milliseconds]', async (signal) => {
  const { positionals, values } = readArguments(1, {
    port: { type: 'string', default: '8080' },
    host: { type: 'string', default: '127.0.0.1' },
    wait: { type: 'string', default: '3' },
  });
  const port = wholeNumber('port', values.port, 0, 65_535);
  const wait = wholeNumber('wait', values.wait, 0, 1000);
  const engine = await loadEngine(positionals[0] as string);
  const queue = new BatchingQueue(engine, wait);

  async function answer(request: IncomingMessage, gone: AbortSignal): Promise<object> {
    const route = `${request.method} ${request.url?.split('?')[0]}`;
    if (route === 'GET /health') {
      const { backend, precision, maxBatch } = engine;
      return { status: 'ok', backend, precision, maxBatch, waiting: queue.waiting };
    }
    if (route !== 'POST /classify') throw new HttpError(404, 'there are GET /health and POST /classify');
    const { top, timings, error } = await queue.classify(await readPicture(request), gone);
    if (error) throw new HttpError(422, error.message);
    return { top, timings };
  }

  function send(response: ServerResponse, status: number, body: object): void {
    if (response.destroyed) return;
    if (signal.aborted) response.setHeader('connection', 'close');
    if (status === 503) response.setHeader('retry-after', '1');
    response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
  }

  const server = createServer(async (request, response) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      send(response, 200, await answer(request, gone.signal));
    } catch (error) {
      const status = error instanceof HttpError ? error.status : error instanceof QueueFullError ? 503 : 500;
      if (status === 500 && !gone.signal.aborted) console.error(error);
      send(response, status, { error: status === 500 ? 'internal error' : (error as Error).message });
    }
  });
  server.requestTimeout = 30_000; // for a whole request, however slowly it comes
  try {
    server.listen({ port, host: values.host, signal });
    await once(server, 'listening', { signal });
    const address = server.address() as AddressInfo;
    console.log(`listening on http://${values.host}:${address.port}`);
    // Aborting the signal closes the server: no new connections, and the end once the last answer is sent.
    signal.addEventListener('abort', () => setTimeout(() => server.closeAllConnections(), GRACE).unref());
    await once(server, 'close');
  } finally {
    await engine.dispose();
  }
});
