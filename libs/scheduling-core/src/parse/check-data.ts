/** What must hold for any JSON a caller brings, before expressions are looked at: bounded nesting, no NUL. */
import type { IssueList } from '../issue-list.js';
import { isJsonObject } from '../json.js';

const maxDepth = 64;

export function checkData(value: unknown, path: string, issues: IssueList, depth = 0): void {
  if (depth > maxDepth) return issues.add(path, 'too_deep', `is nested deeper than ${maxDepth} levels`);
  if (typeof value === 'string') checkText(value, path, issues);
  else if (Array.isArray(value))
    value.forEach((element, index) => checkData(element, `${path}[${index}]`, issues, depth + 1));
  else if (isJsonObject(value)) {
    for (const [key, element] of Object.entries(value)) {
      checkText(key, path, issues);
      checkData(element, `${path}.${key}`, issues, depth + 1);
    }
  }
}

function checkText(text: string, path: string, issues: IssueList): void {
  if (text.includes('\0')) issues.add(path, 'invalid_character', 'contains a NUL character');
}
