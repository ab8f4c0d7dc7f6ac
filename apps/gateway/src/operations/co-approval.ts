/**
 * The obligation `co-approval`: what it is asked for may happen only after another person, who holds one of the roles it
 * names, has approved. A run meets it with an `approval` task of the scheduler that the governed task waits for directly.
 * Here is only checked that it stands there; who approves is checked by the scheduler when somebody does.
 */
import type { policyV1 } from '@cogmesh/contracts';
import type { Access } from '@cogmesh/rpc';
import { parseJson } from './json-text.js';
import { capabilityPath } from './run-document.js';

type Task = Readonly<Record<string, unknown>>;

/** Why the document does not meet the obligation for the right; undefined when it does. */
export type CoApprovalCheck = (obligation: policyV1.Obligation, right: Access) => string | undefined;

export function coApprovalIn(documentJson: string, organisation: string): CoApprovalCheck {
  return ({ propertiesJson }, { resource }) => {
    const roles = rolesOf(propertiesJson);
    if (roles.length === 0) return 'it needs a co-approval, and its policy does not say by whom';
    const tasks = tasksOf(parseJson(documentJson));
    const gates = new Set(tasks.filter((task) => isGate(task, roles)).map(({ id }) => id));
    const governed = tasks.filter((task) => names(task, { resource, organisation }));
    const open = governed.find((task) => !dependsOf(task).some((id) => gates.has(id)));
    if (governed.length > 0 && open === undefined) return undefined;
    const which = open === undefined ? `what uses ${resource}` : `task ${JSON.stringify(open['id'])}`;
    return `it needs the approval of another person with the role ${roles.join(' or ')}: let ${which} depend on a task ${gateText(roles)}`;
  };
}

const gateText = (roles: readonly string[]): string =>
  JSON.stringify({ id: 'co-approval', uses: 'approval', input: { roles, notBy: 'submitter' } });

function rolesOf(propertiesJson: string): string[] {
  const properties: unknown = propertiesJson === '' ? {} : JSON.parse(propertiesJson);
  const roles: unknown = isRecord(properties) ? properties['roles'] : undefined;
  return Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : [];
}

function tasksOf(document: unknown): Task[] {
  const tasks = isRecord(document) ? document['tasks'] : undefined;
  return Array.isArray(tasks) ? tasks.filter(isRecord) : [];
}

/** Nothing that would let the run go on without an answer, and nobody but those roles, and never the submitter. */
function isGate({ uses, input, ...rest }: Task, roles: readonly string[]): boolean {
  if (uses !== 'approval' || !isRecord(input) || input['notBy'] !== 'submitter') return false;
  if (['when', 'forEach', 'onFailure'].some((field) => field in rest)) return false;
  const asked = input['roles'];
  return Array.isArray(asked) && asked.length > 0 && asked.every((role) => roles.includes(role as string));
}

/** Whether the task, or a task of the run inside it, uses the resource. */
function names(task: Task, about: { readonly resource: string; readonly organisation: string }): boolean {
  if (task['uses'] !== 'run') return capabilityPath(task['uses'], about.organisation) === about.resource;
  const input = task['input'];
  const documents = [task['document'], isRecord(input) ? input['document'] : undefined];
  return documents.some((document) => tasksOf(document).some((inner) => names(inner, about)));
}

function dependsOf({ depends }: Task): unknown[] {
  return Array.isArray(depends) ? depends : [];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
