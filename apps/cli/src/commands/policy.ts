import type { Command } from 'commander';
import type { WithContext } from '../program.js';
import { addPolicyAudit } from './policy-audit.js';
import { addPolicyCheck } from './policy-check.js';
import { addPolicyDiff } from './policy-diff.js';
import { addPolicyExplain } from './policy-explain.js';
import { addPolicyGovernance } from './policy-governance.js';
import { addPolicyLint } from './policy-lint.js';
import { addPolicyPush, addPolicyRollback } from './policy-push.js';
import { addPolicySimulate } from './policy-simulate.js';
import { addPolicyTest } from './policy-test.js';
import { addPolicyValidate } from './policy-validate.js';
import { addPolicyCandidate, addPolicyVersions } from './policy-versions.js';

const commands = [
  addPolicyValidate,
  addPolicyTest,
  addPolicyLint,
  addPolicyExplain,
  addPolicyDiff,
  addPolicySimulate,
  addPolicyPush,
  addPolicyRollback,
  addPolicyVersions,
  addPolicyCandidate,
  addPolicyGovernance,
  addPolicyAudit,
];

export function addPolicy(program: Command, contextOf: WithContext, setExitCode: (code: number) => void): void {
  const policy = program.command('policy').description('policies of the organisation');
  for (const add of commands) add(policy, contextOf, setExitCode);
  addPolicyCheck(policy, contextOf, setExitCode);
}
