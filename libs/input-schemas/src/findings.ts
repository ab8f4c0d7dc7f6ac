import type { Issue } from '@cogmesh/errors';
import { inputSchemaLimits } from './limits.js';

const plainName = /^[A-Za-z_$][\w$-]*$/;

/** What is wrong where. The way to the value that is looked at is kept as steps, since most values are right. */
export class Findings {
  readonly issues: Issue[] = [];
  readonly #way: (string | number)[] = [];
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  enter(step: string | number): void {
    this.#way.push(step);
  }

  leave(): void {
    this.#way.pop();
  }

  /** `name`: a property of the value looked at that the issue is about. */
  add(code: string, message: string, name?: string): void {
    if (this.issues.length >= inputSchemaLimits.issues) return;
    const way = name === undefined ? this.#way : [...this.#way, name];
    this.issues.push({ path: this.#root + way.map(asStep).join(''), code, message });
  }

  /** For what is tried at the same place and may be dropped. */
  aside(): Findings {
    const aside = new Findings(this.#root);
    aside.#way.push(...this.#way);
    return aside;
  }

  take(issues: readonly Issue[]): void {
    this.issues.push(...issues.slice(0, inputSchemaLimits.issues - this.issues.length));
  }

  get here(): string {
    return this.#root + this.#way.map(asStep).join('');
  }
}

function asStep(step: string | number): string {
  if (typeof step === 'number') return `[${step}]`;
  return plainName.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`;
}
