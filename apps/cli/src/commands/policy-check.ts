/** `cogmesh policy check`: one question to the Authorization API, as an enforcement point would ask it. */
import type { Command } from 'commander';
import { type AccessDecision, CogmeshError } from '@cogmesh/sdk';
import { resourceNamed, subjectNamed } from '../entity-names.js';
import { paint } from '../output/colours.js';
import type { WithContext } from '../program.js';

interface CheckOptions {
  readonly subject?: string;
  readonly property: string[];
}

type Properties = Record<string, unknown>;
type Kind = 'subject' | 'action' | 'resource' | 'context';

/** Exit code of a refusal, so that scripts can tell it from a failure. */
const REFUSED = 3;

export function addPolicyCheck(policy: Command, contextOf: WithContext, setExitCode: (code: number) => void): void {
  policy
    .command('check')
    .argument('<action>', 'for example view')
    .argument('<resource>', '<type>:<id>, or a canonical path')
    .option('--subject <type:id>', 'who; a name alone is a user (default: the caller)')
    .option(
      '--property <kind.name=value...>',
      'subject., action., resource. or context. property; the value is JSON or text',
      [],
    )
    .description('whether a subject may do something (AuthZEN); exit code 3 when it may not')
    .action(async (name: string, resource: string, options: CheckOptions, command: Command) => {
      const context = contextOf(command);
      const client = context.client();
      const sent = propertiesOf(options.property);
      const subject =
        options.subject === undefined
          ? { type: 'user', id: (await client.whoami()).sub }
          : subjectNamed(options.subject);
      const decision = await client.access.evaluate({
        subject: { ...subject, ...given(sent.subject) },
        action: { name, ...given(sent.action) },
        resource: { ...resourceNamed(resource), ...given(sent.resource) },
        ...(sent.context === undefined ? {} : { context: sent.context }),
      });
      context.say(sentence(decision));
      for (const { id, type } of decision.context?.obligations ?? [])
        context.say(`  obligation ${id}${type === undefined ? '' : paint.dim(` (${type})`)}`);
      context.emit(decision);
      if (!decision.decision) setExitCode(REFUSED);
    });
}

function sentence({ decision, context: { code = '', reason_admin: reason = {} } = {} }: AccessDecision): string {
  if (decision) return paint.green('allowed');
  return `${paint.red('denied')}  ${reason['en'] ?? ''} ${paint.dim(`(${code})`)}`;
}

const given = (properties: Properties | undefined) => (properties === undefined ? {} : { properties });

/** `context.hour=9` and the like, by kind. */
export function propertiesOf(texts: readonly string[]): Partial<Record<Kind, Properties>> {
  const found: Partial<Record<Kind, Properties>> = {};
  for (const text of texts) {
    const { kind, name, value } =
      /^(?<kind>subject|action|resource|context)\.(?<name>[^=]+)=(?<value>.*)$/s.exec(text)?.groups ?? {};
    if (kind === undefined || name === undefined)
      throw new CogmeshError(
        'invalid_argument',
        `--property is <subject|action|resource|context>.<name>=<value>, not "${text}"`,
      );
    (found[kind as Kind] ??= {})[name] = valueOf(value ?? '');
  }
  return found;
}

function valueOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
