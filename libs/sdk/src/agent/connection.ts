/**
 * One `Connect` stream: Hello, Welcome, heartbeats at the interval the registry asks for, instructions, work. It ends with
 * the stream; whether to open another is the agent's business.
 */
import { registryV1 } from '@cogmesh/contracts';
import { CogmeshError } from '@cogmesh/errors';
import { Outgoing, type Client } from '@cogmesh/rpc';
import type { announced, introduced } from './slots.js';
import type { Message, WorkDesk } from './work-desk.js';

export interface ConnectionOptions {
  readonly client: Client<typeof registryV1.AgentService>;
  readonly desk: WorkDesk;
  readonly hello: {
    readonly token: string;
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly agentId: string;
  };
  /** The same as first told, with what does not change. */
  readonly introduction: () => ReturnType<typeof introduced>;
  /** As announced now; asked again for each heartbeat. */
  readonly capabilities: () => ReturnType<typeof announced>;
  /** Answers why not; undefined when it is done. */
  readonly setCredits: (change: registryV1.SetCredits) => string | undefined;
  /** Another token; absent when there is none but the one of `hello`. */
  readonly freshToken?: () => Promise<string>;
  readonly onWelcome: (agentId: string) => void;
  readonly onDrain: () => void;
}

/** Without a Welcome by then the connection is given up. */
const WELCOME_TIMEOUT_MS = 10_000;
const DEFAULT_HEARTBEAT_MS = 2_000;
/** A fresh token is sent when so much of the old one's time is over. */
const RENEW_AFTER = 0.8;
const RENEW_AFTER_MIN_MS = 1_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #outgoing = new Outgoing<{ message: Message }>();
  readonly #abort = new AbortController();
  #heartbeats: NodeJS.Timeout | undefined;
  #renewal: NodeJS.Timeout | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  send(message: Message): void {
    this.#outgoing.push({ message });
  }

  /** Says goodbye and closes the sending side; the registry then ends the stream. */
  leave(reason: string): void {
    this.send({ case: 'goodbye', value: { reason } });
    this.#outgoing.end();
  }

  cut(): void {
    this.#abort.abort();
  }

  /** Resolves when the registry ended the stream after a Welcome; rejects with why it broke or was refused. */
  async run(): Promise<void> {
    const { client, hello } = this.#options;
    const welcomeTimer = setTimeout(() => this.#abort.abort(), WELCOME_TIMEOUT_MS);
    const capabilities = this.#options.introduction();
    this.send({ case: 'hello', value: { ...hello, kind: registryV1.AgentKind.SDK, capabilities } });
    try {
      for await (const { message } of client.connect(this.#outgoing, { signal: this.#abort.signal })) {
        if (message.case === 'welcome') clearTimeout(welcomeTimer);
        this.#receive(message);
      }
    } finally {
      clearTimeout(welcomeTimer);
      clearInterval(this.#heartbeats);
      clearTimeout(this.#renewal);
      this.#outgoing.end();
    }
  }

  #receive(message: registryV1.ConnectResponse['message']): void {
    const { desk } = this.#options;
    switch (message.case) {
      case 'welcome':
        return this.#welcomed(message.value);
      case 'work':
        return desk.take(message.value);
      case 'resultAccepted':
        return desk.accepted(message.value.attemptId);
      case 'instruction':
        return this.#instructed(message.value);
      case 'tokenAccepted':
        return this.#renewIn(message.value.tokenExpiresInMs);
      default:
        return;
    }
  }

  #welcomed({ agentId, heartbeatIntervalMs, tokenExpiresInMs }: registryV1.Welcome): void {
    this.#renewIn(tokenExpiresInMs);
    const everyMs = heartbeatIntervalMs > 0 ? heartbeatIntervalMs : DEFAULT_HEARTBEAT_MS;
    this.#options.onWelcome(agentId);
    this.#options.desk.repeat();
    this.#heartbeat();
    this.#heartbeats = setInterval(() => this.#heartbeat(), everyMs);
  }

  /** In time before the token ends; if that fails, the stream ends with it and another one begins with a fresh token. */
  #renewIn(expiresInMs: bigint): void {
    const { freshToken } = this.#options;
    if (freshToken === undefined || expiresInMs <= 0n) return;
    const inMs = Math.min(LONGEST_TIMER_MS, Math.max(RENEW_AFTER_MIN_MS, Number(expiresInMs) * RENEW_AFTER));
    const renew = async () => this.send({ case: 'freshToken', value: { token: await freshToken() } });
    clearTimeout(this.#renewal);
    this.#renewal = setTimeout(() => void renew().catch(() => {}), inMs);
  }

  /** Also used to announce a change of capabilities at once. */
  announce(): void {
    this.#heartbeat();
  }

  #heartbeat(): void {
    const { desk, capabilities } = this.#options;
    const { attemptIds, draining } = desk;
    const portrait = desk.portrait.paint();
    this.send({ case: 'heartbeat', value: { portrait, attemptIds, capabilities: capabilities(), draining } });
  }

  #instructed({ id, action }: registryV1.Instruction): void {
    const refusal = this.#carryOut(action);
    const accepted = refusal === undefined;
    this.send({ case: 'instructionAck', value: { instructionId: id, accepted, message: refusal ?? '' } });
    if (action.case === 'drain') this.#options.onDrain();
    if (accepted && action.case === 'setCredits') this.#heartbeat();
  }

  /** Answers why not. */
  #carryOut(action: registryV1.Instruction['action']): string | undefined {
    const { desk, setCredits } = this.#options;
    switch (action.case) {
      case 'cancelAttempts':
        return void desk.cancel(action.value.attemptIds, action.value.reason);
      case 'setCredits':
        return setCredits(action.value);
      case 'drain':
        return undefined;
      default:
        return 'an SDK agent loads no models';
    }
  }
}

/** Whether it is this token that is refused, and another one of the same subject might not be. */
export const needsFreshToken = ({ code, details }: CogmeshError): boolean =>
  code === 'expired_token' || (code === 'revoked' && details['kind'] === 'token');

/** Whether another connection may succeed without a person changing something. */
export function mayReconnect(thrown: unknown, tokenCanChange: boolean): boolean {
  if (!(thrown instanceof CogmeshError)) return false;
  if (needsFreshToken(thrown)) return tokenCanChange;
  return thrown.retryable || thrown.code === 'cancelled' || thrown.code === 'conflict' || thrown.code === 'internal';
}
