import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Command } from 'commander';
import { isInitialised } from '@cogmesh/mesh';
import { CogmeshError } from '@cogmesh/sdk';
import type { CliContext } from '../context.js';
import { paint } from '../output/colours.js';
import type { WithContext } from '../program.js';

interface Finding {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** Node major version the product is tested on. */
const NODE_MAJOR = 24;

export function addDoctor(program: Command, contextOf: WithContext, exitWith: (code: number) => void): void {
  program
    .command('doctor')
    .description('check runtime, data directory, gateway, token and models')
    .action(async (_options: unknown, command: Command) => {
      const context = contextOf(command);
      const findings = [runtime(), await folder(context), keys(context), ...(await gateway(context))];
      for (const { what, ok, detail } of findings)
        context.say(`${ok ? paint.green('✓') : paint.red('✗')} ${what}: ${detail}`);
      context.emit({ healthy: findings.every(({ ok }) => ok), findings });
      if (findings.some(({ ok }) => !ok)) exitWith(1);
    });
}

function runtime(): Finding {
  const ok = Number(process.versions.node.split('.')[0]) >= NODE_MAJOR;
  return { what: 'Node.js', ok, detail: ok ? process.version : `${process.version}; start it through ./cogmesh` };
}

async function folder({ directory }: CliContext): Promise<Finding> {
  const what = 'data directory';
  for (const path of [directory.path, dirname(directory.path)]) {
    try {
      await access(path, constants.W_OK);
      return { what, ok: true, detail: `${directory.path} is writable` };
    } catch {
      // Its parent decides whether it can be made.
    }
  }
  return { what, ok: false, detail: `${directory.path} cannot be written` };
}

function keys({ directory }: CliContext): Finding {
  const ok = isInitialised(directory);
  return { what: 'keys', ok, detail: ok ? 'present' : 'none yet: run "cogmesh init" or "cogmesh up"' };
}

async function gateway(context: CliContext): Promise<Finding[]> {
  try {
    const client = context.client();
    const subject = await client.whoami();
    const models = await client.models();
    return [
      { what: 'gateway and token', ok: true, detail: `${subject.sub} of ${subject.organisation}` },
      {
        what: 'models',
        ok: models.some(({ ready }) => ready),
        detail: `${models.filter(({ ready }) => ready).length} of ${models.length} ready`,
      },
    ];
  } catch (thrown) {
    if (!(thrown instanceof CogmeshError)) throw thrown;
    return [{ what: 'gateway and token', ok: false, detail: `${thrown.message} (${thrown.code})` }];
  }
}
