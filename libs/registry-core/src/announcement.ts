/**
 * What an agent may announce, before policy is asked: workers models and `script`, SDK agents tools of the organisation
 * their token belongs to. Names are canonical here or refused; nothing is normalised.
 */
import { CogmeshError, type Issue } from '@cogmesh/errors';
import type { AgentKind, Capability } from './agent.js';

export const announcementLimits = {
  /** Ours: keeps a heartbeat within a message. */
  capabilities: 256,
  /** Ours: work items of one capability at once. */
  credits: 1_000,
  /** Contract: registry.proto. */
  metadataBytes: 64 * 1024,
  nameCharacters: 128,
  labels: 32,
  labelCharacters: 256,
} as const;

const modelName = /^model:[a-z][a-z0-9-]{0,62}\/[a-z0-9][a-z0-9._-]{0,126}@\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/;
const toolName = /^tool:([a-z][a-z0-9-]{0,62})\/([a-z0-9][a-z0-9._-]{0,126})$/;

export interface Announcement {
  readonly name: string;
  readonly kind: AgentKind;
  /** The organisation of the token, never of the message. */
  readonly organisation: string;
  readonly capabilities: readonly Capability[];
  readonly labels: Readonly<Record<string, string>>;
}

/** `acme/lookup` for `tool:acme/lookup`; undefined for anything else. */
export function toolOf(capability: string): string | undefined {
  const match = toolName.exec(capability);
  return match ? `${match[1]}/${match[2]}` : undefined;
}

function creditsProblem({ credits, growth }: Capability): string | undefined {
  const most = announcementLimits.credits;
  const isWithin = (value: number, max: number) => Number.isInteger(value) && value >= 0 && value <= max;
  if (!isWithin(credits, most)) return `credits must be 0 to ${most}`;
  if (growth === undefined) return undefined;
  const { minCredits, maxCredits } = growth;
  if (!isWithin(maxCredits, most) || !isWithin(minCredits, maxCredits) || !isWithin(credits, maxCredits)) {
    return `credits that may change must lie between a least and a most of at most ${most}`;
  }
  return undefined;
}

function capabilityProblem(capability: Capability, { kind, organisation }: Announcement): string | undefined {
  const { name, metadataJson } = capability;
  const credits = creditsProblem(capability);
  if (credits !== undefined) return credits;
  if (Buffer.byteLength(metadataJson) > announcementLimits.metadataBytes) {
    return `metadata is larger than ${announcementLimits.metadataBytes} bytes`;
  }
  if (kind === 'worker') {
    return name === 'script' || modelName.test(name) ? undefined : `a worker serves models and script, not "${name}"`;
  }
  const owner = toolName.exec(name)?.[1];
  if (owner === undefined) return `an agent serves tool:<organisation>/<name>, not "${name}"`;
  return owner === organisation
    ? undefined
    : `"${name}" belongs to organisation "${owner}"; this token is of "${organisation}"`;
}

function capabilityIssues(announcement: Announcement): Issue[] {
  const issues: Issue[] = [];
  const seen = new Set<string>();
  announcement.capabilities.forEach((capability, index) => {
    const problem = seen.has(capability.name) ? `announced twice` : capabilityProblem(capability, announcement);
    seen.add(capability.name);
    if (problem !== undefined) {
      issues.push({ path: `capabilities[${index}]`, code: 'permission_denied', message: problem });
    }
  });
  return issues;
}

function shapeProblem({ name, kind, capabilities, labels }: Announcement): string | undefined {
  const limits = announcementLimits;
  if (name === '' || name.length > limits.nameCharacters)
    return `name must have 1 to ${limits.nameCharacters} characters`;
  if (capabilities.length > limits.capabilities) return `at most ${limits.capabilities} capabilities`;
  if (kind === 'sdk' && capabilities.length === 0) return 'an agent must announce at least one capability';
  const pairs = Object.entries(labels);
  if (pairs.length > limits.labels) return `at most ${limits.labels} labels`;
  if (pairs.some((pair) => pair.some((text) => text.length > limits.labelCharacters))) {
    return `label keys and values have at most ${limits.labelCharacters} characters`;
  }
  return undefined;
}

/** Throws `invalid_argument` for a malformed announcement, `permission_denied` for a capability this agent may not serve. */
export function checkAnnouncement(announcement: Announcement): void {
  const problem = shapeProblem(announcement);
  if (problem !== undefined) throw new CogmeshError('invalid_argument', problem);
  const issues = capabilityIssues(announcement);
  const [first] = issues;
  if (first !== undefined) throw new CogmeshError('permission_denied', first.message, { issues });
}
