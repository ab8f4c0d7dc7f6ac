/**
 * A step budget for CEL. The engine has none, and list and string concatenation inside comprehensions can grow without
 * bound, so every node of a checked expression is wrapped once to pay for its visit and for what it built.
 * Relies on the node protocol (`meta`, `setMeta`) of the pinned cel-js version; meter.spec.ts fails when that changes.
 */
interface Node {
  readonly op: string;
  readonly args: unknown;
  readonly meta: { alternate?: Node; macro?: unknown; evaluate: Evaluate };
  setMeta(key: 'evaluate', evaluate: Evaluate): unknown;
}
type Evaluate = (evaluator: unknown, node: unknown, context: unknown) => unknown;

const charactersPerStep = 64;
/** Nodes that hand on what exists already; they pay for the visit only. */
const passesOn = new Set(['id', 'value', '.', '.?', '[]', '[?]', 'accuValue', 'accuPush', 'comprehension', '?:']);

export class BudgetExceeded extends Error {
  override readonly name = 'BudgetExceeded';
}

export class StepMeter {
  #left = 0;

  /** Runs `evaluate` with `steps` to spend; throws BudgetExceeded. Not re-entrant. */
  within<T>(steps: number, evaluate: () => T): T {
    this.#left = steps;
    const value = evaluate();
    // `&&`, `||` and quantifiers swallow errors of one side, so the budget is checked once more at the end.
    if (this.#left < 0) throw exceeded();
    return value;
  }

  /** Wraps every node below `root`; call once, after the expression has been type-checked. */
  attach(root: unknown): void {
    const seen = new Set<unknown>();
    const visit = (value: unknown): void => {
      if (typeof value !== 'object' || value === null || seen.has(value)) return;
      seen.add(value);
      if (Array.isArray(value)) value.forEach(visit);
      else if (isNode(value)) this.#wrap(value, visit);
      else if (Object.getPrototypeOf(value) === Object.prototype) Object.values(value).forEach(visit);
    };
    visit(root);
  }

  #wrap(node: Node, visit: (value: unknown) => void): void {
    if (node.meta.alternate) return visit(node.meta.alternate);
    if (node.meta.macro) return Object.values(node.meta.macro).forEach(visit);
    const { evaluate } = node.meta;
    const builds = !passesOn.has(node.op);
    node.setMeta('evaluate', (evaluator, self, context) => {
      this.#pay(1);
      const value = evaluate(evaluator, self, context);
      if (builds) this.#pay(sizeInSteps(value));
      return value;
    });
    visit(node.args);
  }

  #pay(steps: number): void {
    this.#left -= steps;
    if (this.#left < 0) throw exceeded();
  }
}

const exceeded = (): BudgetExceeded => new BudgetExceeded('the expression takes too many steps');

function isNode(value: object): value is Node {
  return 'op' in value && 'setMeta' in value;
}

function sizeInSteps(value: unknown): number {
  if (typeof value === 'string') return Math.ceil(value.length / charactersPerStep);
  return Array.isArray(value) ? value.length : 0;
}
