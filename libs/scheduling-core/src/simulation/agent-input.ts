/** The one thing simulated agents can do: add up what they are given. */
import type { Json } from '../json.js';
import type { Doing } from './scenario.js';

export interface AgentInput {
  readonly n: number;
  readonly index?: number;
  readonly from: readonly Json[];
  readonly does: Doing;
  readonly runMs: number;
}

export interface AgentOutput {
  readonly v: number;
  /** The attempt that made it. */
  readonly by: string;
  readonly list: readonly number[];
}

const modulus = 97;

export function valueOf({ n, from }: Pick<AgentInput, 'n' | 'from'>): number {
  return (n + from.reduce<number>((sum, value) => sum + weightOf(value), 0)) % modulus;
}

/** `v` of an agent's output, the sum of a list's; 0 for anything else. */
function weightOf(value: Json): number {
  if (Array.isArray(value)) return (value as readonly Json[]).reduce<number>((sum, each) => sum + weightOf(each), 0);
  if (value === null || typeof value !== 'object') return 0;
  const { v } = value as { readonly v?: Json };
  return typeof v === 'number' ? v : 0;
}
