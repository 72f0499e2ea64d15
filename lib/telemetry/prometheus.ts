import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Counter, Gauge } from 'prom-client';
import { atCaller, PresisiError } from '../errors.js';
import { check, integer, options, text } from '../options.js';
import { metricOf } from './metrics.js';
import { MONITOR_RATE } from './monitor.js';
import { checkTelemetry, Sampler, type TelemetryOptions } from './telemetry.js';
import { Totals } from './totals.js';

/** Metrics of this device in Prometheus' text format, as they are at the moment they are asked for. */
export interface Exposition extends AsyncDisposable {
  /** What a server of yours answers with. */
  readonly contentType: string;
  text(): Promise<string>;
  /** Closes the sensors. May be called again. */
  close(): Promise<void>;
}

export interface PrometheusServer extends Exposition {
  /** `http://127.0.0.1:9477/metrics` */
  readonly url: string;
}

export interface PrometheusOptions extends TelemetryOptions {
  /** 0: any that is free. */
  readonly port: number;
  /** The address that is listened on. Default: `127.0.0.1`, which other machines can't reach. */
  readonly host?: string;
}

const serverSchema = options({ port: integer(0, 65535), host: text('an address').optional() });

/**
 * Telemetry for a server of your own: {@link Exposition.text} is what Prometheus scrapes. Needs no port.
 *
 * @throws PresisiError ERR_PRESISI_INVALID_ARGUMENT, ERR_PRESISI_FILE_SYSTEM
 */
export function exposition(options: TelemetryOptions = {}): Promise<Exposition> {
  return atCaller(exposition, () => expose(options));
}

/**
 * Serves telemetry to Prometheus at `/metrics`. Keeps the process alive until it is closed.
 *
 * @throws PresisiError ERR_PRESISI_INVALID_ARGUMENT, also where the port can't be had; ERR_PRESISI_FILE_SYSTEM
 */
export function startPrometheus({ port, host, ...options }: PrometheusOptions): Promise<PrometheusServer> {
  return atCaller(startPrometheus, async () => {
    const address = check(serverSchema, { port, ...(host !== undefined && { host }) }, 'options');
    const exposed = await expose(options);
    try {
      const { url, close } = await serve(exposed, address.port, address.host);
      const closeBoth = async (): Promise<void> => {
        await close();
        await exposed.close();
      };
      return { ...exposed, url, close: closeBoth, [Symbol.asyncDispose]: closeBoth };
    } catch (error) {
      await exposed.close();
      throw error;
    }
  });
}

async function expose(options: TelemetryOptions): Promise<Exposition> {
  const sampler = await Sampler.start(checkTelemetry(options), MONITOR_RATE);
  const totals = new Totals(sampler.quantities);
  const drain = (): void => {
    for (const sample of sampler.samples()) totals.add(sample);
  };
  // A full ring keeps the old samples and not the new ones.
  const timer = setInterval(drain, 1000).unref();
  let closed = false;
  const close = (): Promise<void> => {
    clearInterval(timer);
    closed = true;
    return sampler.close();
  };
  return {
    contentType: PROMETHEUS_TEXT,
    text: async () => {
      if (closed) throw new PresisiError('ERR_PRESISI_DISPOSED', 'the exposition was closed');
      drain();
      return metricsText(totals, sampler);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** prom-client's content type; here, because it is loaded with the first scrape and not before. */
export const PROMETHEUS_TEXT = 'text/plain; version=0.0.4; charset=utf-8';

/**
 * Everything that can be read now. Made anew for each scrape: what has fallen silent since is absent from it, and no metric
 * begins at a 0 that nobody read.
 */
export async function metricsText(totals: Totals, sampler: Sampler): Promise<string> {
  const { Counter, Gauge, Registry } = await import('prom-client');
  const registry = new Registry();
  const metrics = new Map<string, Counter | Gauge>();
  const set = (name: string, help: string, labels: Readonly<Record<string, string>>, value: number): void => {
    const settings = { name, help, labelNames: Object.keys(labels), registers: [registry] };
    const metric = metrics.get(name) ?? (name.endsWith('_total') ? new Counter(settings) : new Gauge(settings));
    metrics.set(name, metric);
    metric.inc(labels, value);
  };
  for (const quantity of totals.quantities) {
    const latest = totals.latest(quantity.name);
    if (latest === undefined) continue;
    const { name, help, labels } = metricOf(quantity);
    set(name, help, labels, latest.value);
  }
  for (const { name, available } of sampler.sources) {
    set('presisi_source_available', 'Whether a source of telemetry is there', { source: name }, available ? 1 : 0);
  }
  const { samples, lost, missed, cpuSeconds } = sampler.statistics();
  set('presisi_sampler_samples_total', 'Samples taken', {}, samples);
  set('presisi_sampler_lost_total', 'Samples taken but not kept', {}, lost);
  set('presisi_sampler_missed_total', 'Samples due while another was being taken', {}, missed);
  set('presisi_sampler_cpu_seconds_total', 'CPU time of the sampler itself', {}, cpuSeconds);
  return registry.metrics();
}

/** Answers scrapes at `/metrics`. */
export async function serve(
  exposed: Pick<Exposition, 'contentType' | 'text'>,
  port: number,
  host = '127.0.0.1',
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const fail = (status: number, message: string): void => {
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${message}\n`);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') return fail(405, 'only GET and HEAD');
    if (request.url?.split('?')[0] !== '/metrics') return fail(404, 'the metrics are at /metrics');
    exposed.text().then(
      (body) => response.writeHead(200, { 'content-type': exposed.contentType }).end(body),
      (error: Error) => fail(500, error.message),
    );
  });
  await listen(server, port, host);
  const { address, port: actual, family } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    url: `http://${family === 'IPv6' ? `[${address}]` : address}:${actual}/metrics`,
    close: () => {
      closing ??= new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      });
      return closing;
    },
  };
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reasons: Record<string, string> = {
        EADDRINUSE: 'another program listens there',
        EACCES: 'permission denied',
        EADDRNOTAVAIL: 'this device has no such address',
        ENOTFOUND: 'there is no such address',
      };
      const reason = reasons[error.code ?? ''] ?? error.message;
      reject(
        new PresisiError('ERR_PRESISI_INVALID_ARGUMENT', `cannot listen on ${host}, port ${port}: ${reason}`, {
          cause: error,
          hint: 'choose another port or host; port 0 takes any that is free',
        }),
      );
    });
    server.listen(port, host, resolve);
  });
}
