/**
 * A run as code: tasks are values, `then` orders them, outputs go into inputs by name. `compile` makes exactly the document
 * that could have been written by hand; whether it is right is for the scheduler to say.
 */
import { CogmeshError } from '@cogmesh/errors';
import type { RunDocument, TaskDocument } from '../run-document.js';
import { refer, sourceOf, type AnyReference, type Reference } from './reference.js';

/** A field that may hold an expression. */
type Expression = string | AnyReference;

/** A task, whatever it answers. */
export interface AnyTask {
  readonly id: string;
  after(...earlier: readonly AnyTask[]): unknown;
}

/** `TaskDocument` without what the builder fills in; any value may be a reference. */
export interface TaskDefinition extends Omit<
  Partial<TaskDocument>,
  'id' | 'input' | 'when' | 'forEach' | 'document' | 'depends'
> {
  readonly uses: string;
  readonly input?: unknown;
  readonly when?: Expression;
  readonly forEach?: Expression | readonly unknown[];
  readonly depends?: readonly (AnyTask | string)[];
  /** Of a `run` task: what the nested run does. */
  readonly document?: RunDocument | Dag;
}

/** One task; `Output` is what it answers, and only the compiler knows it. */
export class Task<Output> {
  readonly id: string;
  readonly output: Reference<Output>;
  readonly state: Reference<string>;
  readonly #definition: TaskDefinition;
  readonly #after: Set<string>;

  /** Made by `Dag.task`. */
  constructor(id: string, definition: TaskDefinition) {
    this.id = id;
    this.#definition = definition;
    this.#after = new Set((definition.depends ?? []).map((one) => (typeof one === 'string' ? one : one.id)));
    const name = /^[a-z][a-z0-9_]*$/.test(id) ? `tasks.${id}` : `tasks[${JSON.stringify(id)}]`;
    this.output = refer(`${name}.output`);
    this.state = refer(`${name}.state`);
  }

  /** This task waits for the earlier ones. */
  after(...earlier: readonly AnyTask[]): this {
    for (const { id } of earlier) this.#after.add(id);
    return this;
  }

  /** `next` waits for this task. Answers `next`, so that a chain reads in its order. */
  then<Next extends AnyTask>(next: Next): Next {
    if (!(next instanceof Task)) throw new CogmeshError('invalid_argument', 'a task is not a promise; do not await it');
    next.after(this);
    return next;
  }

  compile(): TaskDocument {
    const { document, depends: _depends, ...fields } = this.#definition;
    const nested = document instanceof Dag ? document.compile() : document;
    return plainJson({
      id: this.id,
      ...fields,
      ...(nested === undefined ? {} : { document: nested }),
      ...(this.#after.size === 0 ? {} : { depends: [...this.#after] }),
    }) as TaskDocument;
  }
}

export interface DagOptions<RunInput> extends Omit<RunDocument, 'name' | 'tasks' | 'input' | 'output'> {
  readonly input?: RunInput;
}

export class Dag<RunInput = unknown> {
  readonly name: string;
  /** The run's input, to be referred to. */
  readonly input: Reference<RunInput> = refer('input');
  /** In a task with `forEach`: the item, and its place from 0. */
  readonly item: Reference<unknown> = refer('item');
  readonly index: Reference<number> = refer('index');
  readonly #options: DagOptions<RunInput>;
  readonly #tasks = new Map<string, { compile(): TaskDocument }>();
  #output: unknown;

  constructor(name: string, options: DagOptions<RunInput> = {}) {
    this.name = name;
    this.#options = options;
  }

  /** Adds a task. Rejects with `already_exists` when there is one of this id. */
  task<Output = unknown>(id: string, definition: TaskDefinition): Task<Output> {
    if (this.#tasks.has(id)) throw new CogmeshError('already_exists', `there is a task "${id}" already`);
    const task = new Task<Output>(id, definition);
    this.#tasks.set(id, task);
    return task;
  }

  /** What the run answers. */
  output(value: unknown): this {
    this.#output = value;
    return this;
  }

  compile(): RunDocument {
    return plainJson({
      name: this.name,
      ...this.#options,
      tasks: [...this.#tasks.values()].map((task) => task.compile()),
      ...(this.#output === undefined ? {} : { output: this.#output }),
    }) as RunDocument;
  }

  toJSON(): RunDocument {
    return this.compile();
  }
}

/** A DAG whose tasks `build` adds; what it answers becomes the output of the run. */
export function defineDag<RunInput = unknown>(
  name: string,
  build: (dag: Dag<RunInput>) => unknown,
  options: DagOptions<RunInput> = {},
): Dag<RunInput> {
  const dag = new Dag<RunInput>(name, options);
  const output = build(dag);
  return output === undefined || output instanceof Task ? dag : dag.output(output);
}

/** An expression of references and text: expr`${extract.output.pages} > 3 && ${dag.input.strict}`. */
export function expr(strings: TemplateStringsArray, ...values: readonly unknown[]): Reference<unknown> {
  const source = strings.reduce((text, part, at) => {
    const value = values[at - 1];
    return text + (sourceOf(value) ?? JSON.stringify(value)) + part;
  });
  return refer(source.trim());
}

/** The value with every reference as its expression. */
function plainJson(value: unknown): unknown {
  const source = sourceOf(value);
  if (source !== undefined) return `\${{ ${source} }}`;
  if (Array.isArray(value)) return value.map(plainJson);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, part]) => part !== undefined);
  return Object.fromEntries(entries.map(([field, part]) => [field, plainJson(part)]));
}
