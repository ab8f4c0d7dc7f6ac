/**
 * The run document of `POST /v1/runs` -> RunPlan, or every problem at once. The organisation comes from the caller's
 * token and is passed in; nothing in the document can name it.
 */
import { CogmeshError } from '@cogmesh/errors';
import { IssueList } from '../issue-list.js';
import { blobIdsIn, type Json } from '../json.js';
import { defaultRunLimits, defaultTaskDefaults, type RunLimits, type TaskDefaults } from '../limits.js';
import type { NeededAccess, RunPlan, TaskPlan } from '../run-plan.js';
import { isUsesProblem, parseUses, resourceOfUses } from '../uses.js';
import { checkData } from './check-data.js';
import { checkTemplate } from './check-template.js';
import { findCycle } from './find-cycles.js';
import { ObjectReader } from './object-reader.js';
import { parseTask, type TaskContext } from './parse-task.js';

export interface ParseRunOptions {
  readonly organisation: string;
  readonly limits?: RunLimits;
  readonly defaults?: TaskDefaults;
}

const runFields = ['name', 'priority', 'labels', 'deadlineMs', 'input', 'tasks', 'output'];
const idPattern = /^[a-z][a-z0-9_-]{0,62}$/;

/** Parses the text; throws `invalid_json`, or `invalid_run` with an issue for each problem. */
export function parseRun(documentJson: string, options: ParseRunOptions): RunPlan {
  const issues = new IssueList((options.limits ?? defaultRunLimits).maxIssues);
  const plan = readRun(parseJson(documentJson, 'the run'), options, issues);
  throwIssues(issues);
  if (!plan) throw new CogmeshError('invalid_run', 'the run cannot be read');
  return plan;
}

/** An input that replaces a document's; throws like `parseRun`. */
export function readRunInput(inputJson: string, limits: RunLimits = defaultRunLimits): Json {
  const input = parseJson(inputJson, 'the input');
  const issues = new IssueList(limits.maxIssues);
  checkData(input, 'input', issues);
  throwIssues(issues);
  return input as Json;
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CogmeshError('invalid_json', `${what} is not valid JSON: ${(error as Error).message}`);
  }
}

function throwIssues(issues: IssueList): void {
  if (issues.isEmpty) return;
  const found = issues.list();
  const first = found[0];
  const more = found.length > 1 ? ` (and ${found.length - 1} more)` : '';
  throw new CogmeshError('invalid_run', `${first?.path || 'run'}: ${first?.message}${more}`, { issues: found });
}

function readRun(document: unknown, options: ParseRunOptions, issues: IssueList): RunPlan | undefined {
  const { limits = defaultRunLimits, defaults = defaultTaskDefaults } = options;
  const reader = ObjectReader.of(document, '', issues);
  const { organisation } = options;
  return (
    reader &&
    readDocument(reader, {
      organisation,
      limits,
      defaults,
      issues,
      priority: defaults.priority,
      isPriorityOwn: false,
      depth: 1,
    })
  );
}

interface DocumentContext extends Omit<TaskContext, 'taskIds' | 'nested'> {
  /** 1 for the run itself, one more for each run it is nested in. */
  readonly depth: number;
}

function readDocument(reader: ObjectReader, context: DocumentContext): RunPlan {
  const { limits, issues } = context;
  reader.allowOnly(runFields);
  const name = reader.text('name', { maxLength: 200 });
  const priority = reader.number('priority', { min: 0, max: 9 }) ?? context.priority;
  const deadlineMs = reader.number('deadlineMs', { min: 1, max: limits.maxDurationMs });
  const entries = readEntries(reader, limits, issues);
  const taskIds = new Set(entries.map((entry) => entry.id));
  const checker = { issues, limits, taskIds, depends: new Set<string>() };
  checkData(reader.json('input'), reader.pathOf('input'), issues);
  checkTemplate(reader.json('output'), { path: reader.pathOf('output'), kind: 'task' }, checker);
  const nested: TaskContext['nested'] = (document, task) => readNested(document, { ...context, ...task });
  const isPriorityOwn = context.isPriorityOwn || (context.depth > 1 && reader.has('priority'));
  const tasks = entries.flatMap(
    ({ reader: entry, id }) => parseTask(entry, id, { ...context, priority, isPriorityOwn, taskIds, nested }) ?? [],
  );
  reportCycle(tasks, reader, issues);
  return {
    name: name ?? '',
    priority,
    labels: readLabels(reader, limits),
    input: reader.json('input'),
    tasks,
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(reader.has('output') ? { output: reader.json('output') } : {}),
  };
}

function readNested(document: ObjectReader, context: DocumentContext): RunPlan | undefined {
  const { maxNesting } = context.limits;
  const depth = context.depth + 1;
  if (depth <= maxNesting) return readDocument(document, { ...context, depth });
  document.issue('', 'too_deep', `runs are nested at most ${maxNesting} deep`);
  return undefined;
}

interface Entry {
  readonly reader: ObjectReader;
  readonly id: string;
}

function readEntries(reader: ObjectReader, limits: RunLimits, issues: IssueList): Entry[] {
  const tasks = reader.list('tasks', { max: limits.maxTasks });
  if (!reader.has('tasks')) reader.issue('tasks', 'required', '"tasks" is required');
  else if (tasks?.length === 0) reader.issue('tasks', 'required', 'a run has at least one task');
  const seen = new Map<string, number>();
  return (tasks ?? []).flatMap((value, index) => {
    const entry = ObjectReader.of(value, reader.pathOf(`tasks[${index}]`), issues);
    const id = entry?.text('id', { maxLength: 200, required: true });
    if (!entry || id === undefined) return [];
    const earlier = seen.get(id);
    seen.set(id, index);
    if (earlier !== undefined) entry.issue('id', 'duplicate_id', `"${id}" is already the id of tasks[${earlier}]`);
    if (!idPattern.test(id)) entry.issue('id', 'invalid_id', `"${id}" does not match ${idPattern.source}`);
    return [{ reader: entry, id }];
  });
}

function readLabels(reader: ObjectReader, limits: RunLimits): Record<string, string> {
  const labels = reader.object('labels');
  if (!labels) return {};
  const keys = labels.keys();
  if (keys.length > limits.maxLabels) labels.issue('', 'too_many', `at most ${limits.maxLabels} labels are allowed`);
  const read: [string, string][] = [];
  for (const key of keys.slice(0, limits.maxLabels)) {
    if (key.length > 63) labels.issue(key, 'too_long', 'the name of a label has at most 63 characters');
    const text = labels.text(key, { maxLength: 255 });
    if (text !== undefined) read.push([key, text]);
  }
  return Object.fromEntries(read);
}

function reportCycle(tasks: readonly TaskPlan[], reader: ObjectReader, issues: IssueList): void {
  const cycle = findCycle(new Map(tasks.map((task) => [task.id, task.depends])));
  if (cycle) issues.add(reader.pathOf('tasks'), 'cycle', `tasks depend on each other: ${cycle.join(' -> ')}`);
}

/** Everything the submitter must be allowed: create a run, infer each model and tool, read each blob, nested runs included. */
export function accessNeededBy(plan: RunPlan, organisation: string): NeededAccess[] {
  const needed = new Map<string, NeededAccess>([['create /runs', { action: 'create', resource: '/runs' }]]);
  collectAccess(plan, organisation, (action, resource) => needed.set(`${action} ${resource}`, { action, resource }));
  return [...needed.values()];
}

function collectAccess(
  plan: RunPlan,
  organisation: string,
  need: (action: NeededAccess['action'], resource: string) => void,
): void {
  for (const { uses, nested } of plan.tasks) {
    const parsed = parseUses(uses, organisation);
    const resource = isUsesProblem(parsed) ? undefined : resourceOfUses(parsed);
    if (resource !== undefined) need('infer', resource);
    if (nested) collectAccess(nested, organisation, need);
  }
  for (const id of blobIdsIn([plan.input, plan.output ?? null, ...plan.tasks.map((task) => task.input)])) {
    need('read', `/blobs/${id}`);
  }
}
