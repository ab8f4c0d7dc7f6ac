import type { Explanation } from '@cogmesh/sdk';
import type { Command } from 'commander';
import { entityOfPath } from '../entity-names.js';
import { paint } from '../output/colours.js';
import { outcomeTable } from '../output/rule-table.js';
import type { WithContext } from '../program.js';

export function addPolicyExplain(policy: Command, contextOf: WithContext): void {
  policy
    .command('explain')
    .argument('<action>', 'create, read, list, cancel, infer, serve, write …')
    .argument('<resource>', 'canonical path, for example /models/acme/ppocr-detect')
    .description('why the caller would be allowed or denied')
    .action(async (action: string, resource: string, _options: unknown, command: Command) => {
      const context = contextOf(command);
      const explanation = await context.client().explain({ action, resource: entityOfPath(resource) });
      context.say(explanationView(explanation));
      context.emit(explanation);
    });
}

/** What somebody who is refused can do, by the code of the refusal. */
const advice: Readonly<Record<string, string>> = {
  no_matching_allow: 'a policy must allow it: cogmesh policy push, with a rule for this action, resource and role',
  denied_by_rule: 'a denial wins over every permission: narrow the policy that denies',
  deny_rule_failed: 'guard what may be absent in the condition with has(…)',
  no_grant: 'the owner of the resource must give your organisation a grant that covers it',
  grant_expired: 'ask the owner of the resource for a new grant',
  unknown_organisation: 'check the name of the organisation in the resource',
  invalid_request: 'write the resource in its one canonical spelling, for example /models/acme/ocr',
  stale_policy: 'the policy service is out of reach of an enforcement point: cogmesh doctor',
};

export function explanationView(explanation: Explanation): string {
  const { allowed, code, reason, epoch, grant, rules, decisionId } = explanation;
  const verdict = allowed ? paint.green('● allowed') : paint.red('✗ denied');
  const based = [`epoch ${epoch}`, ...(grant === null ? [] : [`grant ${grant}`]), `decision ${decisionId}`].join(', ');
  const told = outcomeTable(rules.map(({ id, ...rule }) => ({ ruleId: id, ...rule })));
  const what = allowed ? undefined : advice[code];
  return [
    `${verdict}  ${reason} ${paint.dim(`(${code})`)}`,
    paint.dim(`  ${based}`),
    ...(told === '' ? [] : ['', told]),
    ...(what === undefined ? [] : ['', `${paint.green('→')} ${what}`]),
  ].join('\n');
}
