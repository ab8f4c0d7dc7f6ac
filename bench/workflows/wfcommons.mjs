/**
 * Workflow instances in the WfCommons JSON format (WfFormat 1.3 to 1.5) as run documents. Only structure matters here: a
 * task becomes a call of one tool, its parents become `depends`. Names in instances are free text, so tasks are renamed
 * `t0`, `t1` … in the order of the file; `names` tells which was which.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Where each version of the format keeps its tasks. */
function tasksOf(instance) {
  const { workflow } = instance;
  const tasks = workflow?.specification?.tasks ?? workflow?.tasks ?? workflow?.jobs;
  if (!Array.isArray(tasks))
    throw new Error('not a WfCommons instance: no workflow.specification.tasks or workflow.tasks');
  return tasks;
}

/**
 * A run document, with what it was made of. Edges are the union of `parents` and `children`, since instances of old
 * versions fill only one of the two, and refer to a task by id or by name.
 */
export function toRun(instance, { uses }) {
  const tasks = tasksOf(instance);
  const indexOf = new Map();
  tasks.forEach((task, index) => {
    for (const key of [task.id, task.name]) if (key !== undefined && !indexOf.has(key)) indexOf.set(key, index);
  });
  const parents = tasks.map(() => new Set());
  const edge = (parent, child) => {
    if (parent === undefined || child === undefined)
      throw new Error(`${instance.name}: an edge names a task that is not there`);
    if (parent !== child) parents[child].add(parent);
  };
  tasks.forEach((task, index) => {
    for (const parent of task.parents ?? []) edge(indexOf.get(parent), index);
    for (const child of task.children ?? []) edge(index, indexOf.get(child));
  });
  const document = {
    name: String(instance.name ?? 'workflow').slice(0, 200),
    tasks: tasks.map((_, index) => ({
      id: `t${index}`,
      uses,
      ...(parents[index].size > 0 ? { depends: [...parents[index]].map((parent) => `t${parent}`) } : {}),
    })),
  };
  return { document, names: tasks.map(({ name, id }) => name ?? id), parents: parents.map((set) => [...set]) };
}

/** Every instance of a folder, as `[file, instance]`. */
export function readInstances(folder) {
  return readdirSync(folder, { recursive: true })
    .filter((file) => file.endsWith('.json'))
    .sort()
    .map((file) => [file, JSON.parse(readFileSync(join(folder, file), 'utf8'))]);
}
