/** One entry of `tasks`: fields, bounds, expressions, and what they depend on. */
import { Buffer } from 'node:buffer';
import { hasExpression } from '../expressions/template.js';
import type { IssueList } from '../issue-list.js';
import type { RunLimits, TaskDefaults } from '../limits.js';
import type { RunPlan, TaskPlan } from '../run-plan.js';
import { suggestion } from '../suggest.js';
import { formatUses, isUsesProblem, parseUses, type Uses } from '../uses.js';
import { checkTemplate, type TemplateChecker } from './check-template.js';
import type { ObjectReader } from './object-reader.js';
import { readFlow, readWaiting } from './parse-flow.js';
import { readRetry } from './parse-retry.js';

export interface TaskContext {
  readonly organisation: string;
  readonly priority: number;
  readonly limits: RunLimits;
  readonly defaults: TaskDefaults;
  readonly issues: IssueList;
  readonly taskIds: ReadonlySet<string>;
  /** The priority is that of a nested run that names one: a change of the outer run's leaves it alone. */
  readonly isPriorityOwn: boolean;
  /** Reads the document of a nested run of a task with this priority. */
  readonly nested: (
    document: ObjectReader,
    task: Pick<TaskContext, 'priority' | 'isPriorityOwn'>,
  ) => RunPlan | undefined;
}

const fields = [
  'id', 'uses', 'depends', 'priority', 'input', 'when', 'forEach', 'maxParallel', 'script', 'retry', 'timeoutMs',
  'queueTimeoutMs', 'heartbeatTimeoutMs', 'onFailure', 'itemFailure', 'concurrencyGroup', 'affinity', 'document',
]; // prettier-ignore

/** Undefined when it is too broken to plan; the issues say why. */
export function parseTask(reader: ObjectReader, id: string, context: TaskContext): TaskPlan | undefined {
  const { limits, defaults } = context;
  reader.allowOnly(fields);
  const uses = readUses(reader, context.organisation);
  const depends = readDepends(reader, id, context);
  const expressions = readExpressions(reader, id, { context, depends });
  const timing = readTiming(reader, limits);
  const named = reader.number('priority', { min: 0, max: 9 });
  const priority = named ?? context.priority;
  const isPriorityOwn = context.isPriorityOwn || named !== undefined;
  const retry = readRetry(reader, context);
  const flow = readFlow(reader, limits);
  if (!uses) return undefined;
  const script = readScript(reader, uses, limits);
  if (uses.kind === 'sleep') checkSleep(reader, limits);
  const waiting = readWaiting(reader, {
    uses,
    nested: (document) => context.nested(document, { priority, isPriorityOwn }),
  });
  return {
    id,
    uses: formatUses(uses),
    depends: [...depends],
    priority,
    input: reader.json('input'),
    retry,
    // People and whole runs take their time: only what the author says ends them.
    timeoutMs: uses.kind === 'approval' || uses.kind === 'run' ? limits.maxDurationMs : defaults.timeoutMs,
    ...expressions,
    ...timing,
    ...flow,
    ...waiting,
    ...(isPriorityOwn ? { ownPriority: true } : {}),
    ...(script === undefined ? {} : { script }),
  };
}

type Expressions = Pick<TaskPlan, 'when' | 'forEach' | 'maxParallel'>;

function readExpressions(
  reader: ObjectReader,
  self: string,
  { context, depends }: { context: TaskContext; depends: Set<string> },
): Expressions {
  const { issues, limits, taskIds } = context;
  const checker: TemplateChecker = { issues, limits, taskIds, self, depends };
  const when = readTemplate(reader, 'when', checker);
  const forEach = readTemplate(reader, 'forEach', checker);
  const kind = reader.has('forEach') ? 'item' : 'task';
  checkTemplate(reader.json('input'), { path: reader.pathOf('input'), kind }, checker);
  const maxParallel = reader.number('maxParallel', { min: 1, max: limits.maxExpandedTasks });
  if (maxParallel !== undefined && !reader.has('forEach')) {
    reader.issue('maxParallel', 'misplaced_field', 'maxParallel needs forEach');
  }
  return {
    ...(when === undefined ? {} : { when }),
    ...(forEach === undefined ? {} : { forEach }),
    ...(maxParallel === undefined ? {} : { maxParallel }),
  };
}

function readTiming(reader: ObjectReader, limits: RunLimits): Partial<Pick<TaskPlan, 'timeoutMs' | 'queueTimeoutMs'>> {
  const duration = { min: 1, max: limits.maxDurationMs };
  const timeoutMs = reader.number('timeoutMs', duration);
  const queueTimeoutMs = reader.number('queueTimeoutMs', duration);
  return {
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(queueTimeoutMs === undefined ? {} : { queueTimeoutMs }),
  };
}

function readUses(reader: ObjectReader, organisation: string): Uses | undefined {
  const text = reader.text('uses', { maxLength: 400, required: true });
  if (text === undefined) return undefined;
  const uses = parseUses(text, organisation);
  if (!isUsesProblem(uses)) return uses;
  reader.issue('uses', uses.code, uses.message);
  return undefined;
}

function readDepends(reader: ObjectReader, self: string, { limits, taskIds }: TaskContext): Set<string> {
  const depends = new Set<string>();
  reader.list('depends', { max: limits.maxDependsPerTask })?.forEach((name, index) => {
    const at = `depends[${index}]`;
    if (typeof name !== 'string') reader.issue(at, 'invalid_type', 'must be the id of a task');
    else if (name === self) reader.issue(at, 'cycle', `task "${self}" depends on itself`);
    else if (!taskIds.has(name)) reader.issue(at, 'unknown_task', `no task "${name}"${suggestion(name, taskIds)}`);
    else if (depends.has(name)) reader.issue(at, 'duplicate', `"${name}" is listed twice`);
    else depends.add(name);
  });
  return depends;
}

/** `when` and `forEach`: exactly one expression. */
function readTemplate(reader: ObjectReader, field: string, checker: TemplateChecker): string | undefined {
  const text = reader.text(field, { maxLength: checker.limits.maxExpressionLength + 32 });
  if (text === undefined) return undefined;
  if (!text.startsWith('${{') || !text.endsWith('}}')) {
    reader.issue(field, 'not_an_expression', `must be exactly one expression: "\${{ … }}"`);
    return undefined;
  }
  checkTemplate(text, { path: reader.pathOf(field), kind: 'task' }, checker);
  return text;
}

function readScript(reader: ObjectReader, uses: Uses, limits: RunLimits): string | undefined {
  if (uses.kind !== 'script') {
    if (reader.has('script')) reader.issue('script', 'misplaced_field', 'script needs "uses": "script"');
    return undefined;
  }
  const script = reader.text('script', { maxLength: limits.maxScriptBytes, required: true });
  if (script !== undefined && Buffer.byteLength(script) > limits.maxScriptBytes) {
    reader.issue('script', 'too_long', `a script has at most ${limits.maxScriptBytes} bytes`);
  }
  if (script?.trim() === '') reader.issue('script', 'required', 'the script is empty');
  return script;
}

function checkSleep(reader: ObjectReader, limits: RunLimits): void {
  const input = reader.object('input');
  if (!input) {
    if (!reader.has('input')) reader.issue('input', 'required', 'sleep needs "input": { "durationMs": … }');
    return;
  }
  input.allowOnly(['durationMs']);
  const duration = input.json('durationMs');
  if (typeof duration === 'string' && hasExpression(duration)) return;
  if (duration === null) input.issue('durationMs', 'required', '"durationMs" is required');
  else input.number('durationMs', { min: 0, max: limits.maxDurationMs });
}
