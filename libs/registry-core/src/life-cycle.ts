/**
 * The life of an agent as a state machine. Anything not listed leaves the state as it is: a draining agent does not become
 * ready because one more model loaded, and a gone one stays gone (an agent id belongs to one process).
 */
import type { AgentState, Capability } from './agent.js';

export type LifeEvent =
  | { readonly kind: 'connected'; readonly capabilities: readonly Capability[] }
  | { readonly kind: 'heartbeat'; readonly capabilities: readonly Capability[] }
  | { readonly kind: 'draining' }
  | { readonly kind: 'lost' }
  | { readonly kind: 'goodbye' };

/** READY as soon as one capability can take work without delay; the others say so themselves (`Capability.ready`). */
function aliveState(capabilities: readonly Capability[]): AgentState {
  return capabilities.some((capability) => capability.ready) ? 'READY' : 'STARTING';
}

/** The state after `event`. */
export function nextState(state: AgentState, event: LifeEvent): AgentState {
  if (state === 'GONE') return 'GONE';
  switch (event.kind) {
    case 'goodbye':
      return 'GONE';
    case 'lost':
      return 'LOST';
    case 'draining':
      return state === 'LOST' ? 'LOST' : 'DRAINING';
    case 'connected':
    case 'heartbeat':
      return state === 'DRAINING' ? 'DRAINING' : aliveState(event.capabilities);
  }
}

/** Whether the mesh may still expect an answer from an agent in this state. */
export function isPresent(state: AgentState): boolean {
  return state !== 'LOST' && state !== 'GONE';
}
