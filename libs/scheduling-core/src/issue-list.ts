import type { Issue } from '@cogmesh/errors';

/** Collects every problem of a document, up to a limit; the rest is counted in one last entry. */
export class IssueList {
  readonly #issues: Issue[] = [];
  readonly #limit: number;
  #beyond = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(path: string, code: string, message: string): void {
    if (this.#issues.length < this.#limit) this.#issues.push({ path, code, message });
    else this.#beyond += 1;
  }

  get isEmpty(): boolean {
    return this.#issues.length === 0;
  }

  list(): readonly Issue[] {
    if (this.#beyond === 0) return this.#issues;
    return [...this.#issues, { path: '', code: 'more_issues', message: `and ${this.#beyond} more` }];
  }
}
