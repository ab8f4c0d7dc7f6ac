/**
 * Connections to the places where one service runs: one, or several that are equal. Calls go round among those that seem to
 * answer; a place that failed rests a little. What may be asked again elsewhere when a place fails is the call's to say.
 */
import { Client as GrpcClient, connectivityState, credentials } from '@grpc/grpc-js';
import { CogmeshError } from '@cogmesh/errors';
import { channelCredentials } from './grpc-credentials.js';
import { DEFAULT_MAX_MESSAGE_BYTES } from './server.js';
import type { TransportSecurity } from './transport-security.js';

const MAX_RECONNECT_BACKOFF_MS = 2_000;
const KEEPALIVE_MS = 20_000;
/** How long a place that could not be reached is asked after the others, milliseconds. */
const UNREACHABLE_REST_MS = 1_000;
/** The same for one that did not answer in time: it may be frozen, and each call would wait its time out. */
const SILENT_REST_MS = 10_000;

export interface ChannelOptions {
  /** `host:port` or `unix:/path`; several equal ones separated by commas. */
  readonly target: string;
  /** Value of the `authorization` header for a method, for example `Bearer …`. */
  readonly authorize?: (method: string) => string | undefined | Promise<string | undefined>;
  readonly maxMessageBytes?: number;
  /** Mutual TLS, where the service behind the target is `service`; not used on Unix sockets. Default: plain. */
  readonly secure?: { readonly security: TransportSecurity | undefined; readonly service: string };
}

export interface Channel {
  readonly target: string;
  close(): void;
}

export interface Place {
  readonly grpc: GrpcClient;
  restsUntilMs: number;
}

export class GrpcChannel implements Channel {
  readonly target: string;
  readonly #places: readonly Place[];
  #next = 0;

  constructor(readonly options: ChannelOptions) {
    this.target = options.target;
    const targets = options.target.split(',').map((target) => target.trim());
    this.#places = targets
      .filter((target) => target !== '')
      .map((target) => ({ grpc: open(target, options), restsUntilMs: 0 }));
    if (this.#places.length === 0) throw new CogmeshError('invalid_config', 'a channel needs an address');
  }

  /** Each place once, best first. */
  places(): readonly [Place, ...Place[]] {
    const turn = this.#next % this.#places.length;
    this.#next += 1;
    const inTurn = [...this.#places.slice(turn), ...this.#places.slice(0, turn)];
    return inTurn.toSorted((a, b) => badnessOf(a) - badnessOf(b)) as [Place, ...Place[]];
  }

  close(): void {
    for (const { grpc } of this.#places) grpc.close();
  }
}

/** Two places are compared, one is just used. */
function badnessOf({ grpc, restsUntilMs }: Place): number {
  if (restsUntilMs > performance.now()) return 2;
  const state = grpc.getChannel().getConnectivityState(true);
  return state === connectivityState.TRANSIENT_FAILURE || state === connectivityState.SHUTDOWN ? 1 : 0;
}

/** Remembers what a failure says of the place. */
export function noteFailure(place: Place, error: CogmeshError): void {
  const restMs = error.code === 'unavailable' ? UNREACHABLE_REST_MS : error.code === 'timeout' ? SILENT_REST_MS : 0;
  if (restMs > 0) place.restsUntilMs = performance.now() + restMs;
}

function open(target: string, options: ChannelOptions): GrpcClient {
  const limit = options.maxMessageBytes ?? DEFAULT_MAX_MESSAGE_BYTES;
  const { security, service = '' } = target.startsWith('unix:') ? {} : (options.secure ?? {});
  return new GrpcClient(target, security ? channelCredentials(security, service) : credentials.createInsecure(), {
    ...(security ? { 'grpc.ssl_target_name_override': service } : {}),
    'grpc.max_receive_message_length': limit,
    'grpc.max_send_message_length': limit,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': MAX_RECONNECT_BACKOFF_MS,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    // Channels to the same address must not share a connection: each speaks for its own service.
    'grpc.use_local_subchannel_pool': 1,
  });
}
