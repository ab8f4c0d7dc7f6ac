import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { CogmeshError } from '@cogmesh/sdk';
import type { WithContext } from '../program.js';
import { showRun } from './run.js';

interface RetryOptions {
  readonly all?: boolean;
  readonly input?: string;
}

export function addRetry(program: Command, contextOf: WithContext): void {
  program
    .command('retry')
    .argument('<run>', 'run id')
    .description('a new run from the failed tasks of an old one on; what succeeded is adopted')
    .option('--all', 'run everything again')
    .option('--input <file>', 'JSON in place of the input of the run; runs everything again')
    .action(async (runId: string, { all = false, input }: RetryOptions, command: Command) => {
      const context = contextOf(command);
      const client = context.client().scheduling;
      const options = input === undefined ? { fromFailed: !all } : { fromFailed: false, input: await jsonFile(input) };
      showRun(context, await client.retryRun(runId, options));
    });
}

/** Rejects with `not_found` or `invalid_json`. */
export async function jsonFile(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new CogmeshError('not_found', `cannot read ${file}`, { file }, { cause });
  });
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw new CogmeshError('invalid_json', `${file} is not JSON: ${(cause as Error).message}`, { file }, { cause });
  }
}
