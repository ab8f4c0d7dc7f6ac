/**
 * Holds inputs against what the agents say of them: whole ones and the known parts of others when a run is submitted, all others
 * when they are computed. What counts is the highest version on offer that the task's range allows; where agents of that version
 * differ, one that takes the input is enough, and one that says nothing takes everything.
 */
import { CogmeshError, type Issue } from '@cogmesh/errors';
import { InputSchema, unknownText, unknownValue } from '@cogmesh/input-schemas';
import { newestOffers, type Candidate, type RoutableAgent } from '@cogmesh/routing-core';
import {
  affinityText,
  breather,
  knownPart,
  needOf,
  parseNeed,
  type Clock,
  type Json,
  type RunPlan,
  type TaskPlan,
} from '@cogmesh/scheduling-core';

export interface InputSchemasOptions {
  readonly directory: {
    agents(): Iterable<RoutableAgent>;
    /** The same list until the registry has answered again. */
    candidates(need: string): readonly Candidate[];
  };
  readonly clock: Pick<Clock, 'now' | 'soon'>;
  /** Most steps of one check; beyond them an input passes unchecked. */
  readonly maxSteps: number;
  /** Schemas kept ready. */
  readonly maxCached: number;
}

/** Most steps of one document, as so many of the costliest checks; the rest is checked when it is computed. */
const costliestChecks = 20;
/** Issues of one document. */
const maxIssues = 100;

const stand = { value: unknownValue, text: unknownText };

export class InputSchemas {
  readonly #options: InputSchemasOptions;
  readonly #read = new Map<string, InputSchema | undefined>();
  readonly #ofNeed = new WeakMap<readonly Candidate[], readonly InputSchema[]>();

  constructor(options: InputSchemasOptions) {
    this.#options = options;
  }

  /** Throws `invalid_input` with what is wrong in the inputs of a document, nested runs included. */
  async assertPossible(plan: RunPlan): Promise<void> {
    const search: Search = { issues: [], stepsLeft: costliestChecks * this.#options.maxSteps };
    await this.#search(plan, 'tasks', search);
    const { issues } = search;
    const [first] = issues;
    if (first) throw new CogmeshError('invalid_input', `${first.path}: ${first.message}`, { issues });
  }

  /** Throws `invalid_input` when no agent would take a computed input. */
  readonly assertTaken = (task: TaskPlan, input: Json): void => {
    const { issues } = this.#check(task, input, 'input');
    const [first] = issues;
    if (first === undefined) return;
    const message = `${task.uses} does not take the input: ${first.path}: ${first.message}`;
    throw new CogmeshError('invalid_input', message, { issues });
  };

  async #search(plan: RunPlan, path: string, search: Search): Promise<void> {
    const breathe = breather(this.#options.clock);
    for (const [index, task] of plan.tasks.entries()) {
      if (search.issues.length >= maxIssues || search.stepsLeft <= 0) return;
      const at = `${path}[${index}]`;
      if (task.nested) await this.#search(task.nested, `${at}.document.tasks`, search);
      else if (this.#schemasOf(task).length > 0) {
        const { issues, steps } = this.#check(task, knownPart(task.input, stand).value, `${at}.input`);
        search.issues.push(...issues.slice(0, maxIssues - search.issues.length));
        search.stepsLeft -= steps;
        await breathe();
      }
    }
  }

  /** Issues of the first schema when none takes the input. */
  #check(task: TaskPlan, input: unknown, path: string): { readonly issues: readonly Issue[]; readonly steps: number } {
    let steps = 0;
    let issues: readonly Issue[] = [];
    for (const schema of this.#schemasOf(task)) {
      const checked = schema.check(input, { path, maxSteps: this.#options.maxSteps });
      steps += checked.steps;
      if (checked.verdict !== 'invalid') return { issues: [], steps };
      if (issues.length === 0) issues = checked.issues;
    }
    return { issues, steps };
  }

  /** None where nothing is to be checked. */
  #schemasOf({ uses, affinity }: TaskPlan): readonly InputSchema[] {
    const { directory } = this.#options;
    const need = needOf({ uses, affinity: affinityText(affinity) });
    const candidates = directory.candidates(need);
    const known = this.#ofNeed.get(candidates);
    if (known) return known;
    const { labels } = parseNeed(need);
    const agents = [...directory.agents()].filter((agent) =>
      labels.every(([label, value]) => agent.labels?.[label] === value),
    );
    const texts = new Set(newestOffers(uses, '', agents).map(({ inputSchema }) => inputSchema));
    const schemas = [...texts].map((text) => (text === undefined ? undefined : this.#schema(text)));
    const all = schemas.filter((schema) => schema !== undefined);
    const found = all.length === schemas.length ? all : [];
    this.#ofNeed.set(candidates, found);
    return found;
  }

  /** Undefined for one that is refused here: then nothing is checked. Least recently used ones leave first. */
  #schema(text: string): InputSchema | undefined {
    const schema = this.#read.has(text) ? this.#read.get(text) : readOrLeave(text);
    this.#read.delete(text);
    this.#read.set(text, schema);
    const [oldest] = this.#read.keys();
    if (this.#read.size > this.#options.maxCached && oldest !== undefined) this.#read.delete(oldest);
    return schema;
  }
}

interface Search {
  readonly issues: Issue[];
  stepsLeft: number;
}

function readOrLeave(text: string): InputSchema | undefined {
  try {
    return new InputSchema(text);
  } catch (thrown) {
    if (thrown instanceof CogmeshError) return undefined;
    throw thrown;
  }
}
