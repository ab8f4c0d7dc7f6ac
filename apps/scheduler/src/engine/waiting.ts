/** Why a task is not running yet, in words a person can act on, from what the scheduler knows. */
import type { schedulerV1 } from '@cogmesh/contracts';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { TaskView } from '../adapters/sql-run-views.js';
import type { AgentDirectory } from './agent-directory.js';
import type { Targets } from './targets.js';

export interface WaitingContext {
  readonly directory: AgentDirectory;
  readonly targets: Targets;
  /** Unfinished parents by child. */
  readonly unmet: ReadonlyMap<string, readonly string[]>;
  /** Open items by task and state. */
  readonly items: ReadonlyMap<string, Readonly<Record<string, number>>>;
}

type Waiting = MessageInitShape<typeof schedulerV1.WaitingSchema>;

export function waitingOf(task: TaskView, context: WaitingContext): Waiting | undefined {
  switch (task.state) {
    case 'BLOCKED': {
      const parents = context.unmet.get(task.taskId) ?? [];
      return { code: 'dependencies', message: `waits for ${parents.join(', ')}` };
    }
    case 'READY':
      return forAgent(task.uses, context);
    case 'CLAIMED':
    case 'PUBLISHED':
      return { code: 'capacity', message: `handed to ${task.agentId ?? task.queue ?? 'an agent'}, not started yet` };
    case 'RETRY_WAIT':
      return timer(task, 'tries again');
    case 'WAITING':
      return timer(task, 'sleeps until');
    case 'RUNNING':
      return ofItems(task, context);
    default:
      return undefined;
  }
}

function forAgent(uses: string, { directory, targets }: WaitingContext): Waiting {
  if (!directory.isFresh) return { code: 'no_agent', message: 'the registry does not answer, so no agent is known' };
  if (directory.candidates(uses).length === 0) {
    const offered = directory.offered(uses);
    const exists = offered.length === 0 ? 'no agent offers it in any version' : `agents offer ${offered.join(', ')}`;
    return { code: 'no_agent', message: `asks for ${uses}; ${exists}` };
  }
  if (targets.hasRoom(uses)) return { code: 'capacity', message: 'is next in line' };
  return { code: 'capacity', message: `every agent that serves ${uses} is busy` };
}

const timer = (task: TaskView, verb: string): Waiting => ({
  code: 'timer',
  message: `${verb} at ${new Date(task.dueAt ?? 0).toISOString()}`,
});

/** A forEach task waits while none of its items is in progress. */
function ofItems(task: TaskView, context: WaitingContext): Waiting | undefined {
  const counts = context.items.get(task.taskId);
  if (!counts || task.itemsTotal === 0) return undefined;
  const held = (counts['RUNNING'] ?? 0) + (counts['PUBLISHED'] ?? 0) + (counts['CLAIMED'] ?? 0);
  if (held > 0 && (counts['BLOCKED'] ?? 0) > 0) {
    return { code: 'concurrency', message: `${counts['BLOCKED']} items wait for a place within maxParallel` };
  }
  if (held === 0 && (counts['READY'] ?? 0) > 0) return forAgent(task.uses, context);
  return undefined;
}
