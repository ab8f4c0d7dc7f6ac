/** A policy set from a file, read as strictly as the policy service reads it. */
import { parsePolicySet, type PolicySet } from '@cogmesh/policy-core';
import { CogmeshError } from '@cogmesh/sdk';
import { complaintOf, placeOf, type Complaint } from './complaints.js';
import { readLocatedFile, type LocatedFile } from './located-file.js';

export interface PolicyFile {
  readonly file: LocatedFile;
  /** Absent when there are complaints. */
  readonly set?: PolicySet;
  readonly complaints: readonly Complaint[];
}

export async function readPolicyFile(path: string): Promise<PolicyFile> {
  const file = await readLocatedFile(path);
  try {
    return { file, set: parsePolicySet(file.value), complaints: [] };
  } catch (thrown) {
    if (!(thrown instanceof CogmeshError) || thrown.code !== 'invalid_policy') throw thrown;
    const complaints = (thrown.details.issues ?? []).map(complaintOf);
    const lineOf = (complaint: Complaint) => placeOf(file, complaint).line;
    return { file, complaints: complaints.sort((a, b) => lineOf(a) - lineOf(b)) };
  }
}

/** `invalid_policy` with the places in the file. */
export async function requirePolicyFile(
  path: string,
): Promise<{ readonly file: LocatedFile; readonly set: PolicySet }> {
  const { file, set, complaints } = await readPolicyFile(path);
  if (set !== undefined) return { file, set };
  const issues = complaints.map(({ path: where, about, message }) => {
    const { line, column } = file.locate(where);
    return { path: `${path}:${line}:${column}`, code: about, message: `${where}: ${message}` };
  });
  throw new CogmeshError('invalid_policy', `${path} is no policy set; see cogmesh policy validate ${path}`, { issues });
}

/** Whether the file says which grants the organisation gives. One that does not leaves them as they are. */
export function namesGrants({ value }: LocatedFile): boolean {
  return typeof value === 'object' && value !== null && 'grants' in value;
}
