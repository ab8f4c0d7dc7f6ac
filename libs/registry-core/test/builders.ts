import type { Capability, Clock, Introduction, Portrait } from '../src/index.js';

export class TestClock implements Clock {
  #monotonicMs = 1_000;
  #wallMs = 1_800_000_000_000;

  advance(ms: number): void {
    this.#monotonicMs += ms;
    this.#wallMs += ms;
  }

  jumpWall(ms: number): void {
    this.#wallMs += ms;
  }

  wallMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }
}

export const capability = (name: string, over: Partial<Capability> = {}): Capability => ({
  name,
  credits: 4,
  ready: true,
  metadataJson: '',
  ...over,
});

export const introduction = (over: Partial<Introduction> = {}): Introduction => ({
  id: 'agent_01',
  name: 'worker-1',
  organisation: 'acme',
  kind: 'worker',
  identity: 'service:worker',
  capabilities: [capability('script')],
  labels: {},
  address: '127.0.0.1:7020',
  ...over,
});

export const portrait = (over: Partial<Portrait> = {}): Portrait => ({
  timeMs: 1,
  cpu: 0.5,
  gpu: 0,
  memoryBytes: 1,
  queued: 0,
  running: 0,
  latencyMs: 1,
  warmModels: [],
  providers: ['cpu'],
  ...over,
});
