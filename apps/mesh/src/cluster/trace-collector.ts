/**
 * A small OTLP/HTTP collector for the cluster on one machine: JSON in, embedded trace store out, so that `cogmesh trace`
 * works without a tracing back end. Loopback only; anything larger belongs to a real collector (OTEL_*).
 */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fromOtlp, openTraceStore, type OtlpTraces } from '@cogmesh/telemetry';

/** Largest export request, bytes; exporters send at most 512 spans at once. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

export interface TraceCollector {
  /** For OTEL_EXPORTER_OTLP_ENDPOINT. */
  readonly endpoint: string;
  close(): Promise<void>;
}

export async function startTraceCollector(traceFile: string): Promise<TraceCollector> {
  const store = await openTraceStore(traceFile);
  const server = createServer((request, response) => {
    receive(request)
      .then((traces) => store.append(fromOtlp(traces)))
      .then(
        () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'),
        (error: Error) => response.writeHead(400).end(error.message),
      );
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { endpoint: `http://127.0.0.1:${port}`, close: () => close(server).then(() => store.close()) };
}

async function receive(request: IncomingMessage): Promise<OtlpTraces> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BODY_BYTES) throw new RangeError(`more than ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as OtlpTraces;
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
