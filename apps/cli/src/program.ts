/** The command table. Each command is one file; this one adds the options they share and turns errors into exit codes. */
import { Command, CommanderError } from 'commander';
import type { Environment } from '@cogmesh/config';
import { CogmeshError } from '@cogmesh/sdk';
import { addAgents } from './commands/agents.js';
import { addRetry } from './commands/retry.js';
import { addPause } from './commands/pause.js';
import { addResume } from './commands/resume.js';
import { addPriority } from './commands/priority.js';
import { addApprove } from './commands/approve.js';
import { addWhy } from './commands/why.js';
import { addLimits } from './commands/limits.js';
import { addSchedules } from './commands/schedules.js';
import { addWebhooks } from './commands/webhooks.js';
import { addDeadLetters } from './commands/dead-letters.js';
import { addCancel } from './commands/cancel.js';
import { addCluster } from './commands/cluster.js';
import { addDemo } from './commands/demo.js';
import { addDoctor } from './commands/doctor.js';
import { addGrants } from './commands/grants.js';
import { addInit } from './commands/init.js';
import { addIssuers } from './commands/issuers.js';
import { addKeys } from './commands/keys.js';
import { addModels } from './commands/models.js';
import { addPolicy } from './commands/policy.js';
import { addRevocations } from './commands/revocations.js';
import { addRun } from './commands/run.js';
import { addRuns } from './commands/runs.js';
import { addServe } from './commands/serve.js';
import { addToken } from './commands/token.js';
import { addTrace } from './commands/trace.js';
import { addUp } from './commands/up.js';
import { addWhoami } from './commands/whoami.js';
import { type CliContext, createContext, type GlobalOptions } from './context.js';
import { paint } from './output/colours.js';

/** Gives a command its context from the options typed so far. */
export type WithContext = (command: Command) => CliContext;

const commands = [
  addDemo,
  addUp,
  addInit,
  addCluster,
  addServe,
  addRun,
  addRuns,
  addCancel,
  addRetry,
  addPause,
  addResume,
  addPriority,
  addApprove,
  addWhy,
  addLimits,
  addSchedules,
  addWebhooks,
  addDeadLetters,
  addTrace,
  addKeys,
  addModels,
  addAgents,
  addPolicy,
  addRevocations,
  addIssuers,
  addGrants,
  addToken,
  addWhoami,
  addDoctor,
];

export async function runProgram(argv: readonly string[], environment: Environment): Promise<number> {
  const program = new Command('cogmesh')
    .description('AI inference for many organisations: submit runs, watch them, and see why.')
    .option('--url <url>', 'gateway to call (default: the mesh of the data directory, then http://127.0.0.1:7000)')
    .option('--token <token>', 'bearer token (default: a development token of the data directory)')
    .option('--data-dir <folder>', 'data directory (default: COGMESH_DATA_DIR, then .cogmesh)')
    .option('--json', 'print one JSON document on standard output and nothing else')
    .addHelpText(
      'after',
      '\nAlso: cogmesh test [--yes], cogmesh bench [name] [--json] (they install what they need first).',
    )
    .exitOverride();
  let exitCode = 0;
  const context: WithContext = (command) => createContext(command.optsWithGlobals<GlobalOptions>(), environment);
  for (const add of commands) add(program, context, (code) => (exitCode = code));
  try {
    await program.parseAsync(argv);
    return exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode;
    return report(thrown, program.opts<GlobalOptions>().json === true);
  }
}

/** One line for a person, with every issue under it; the problem as JSON for a program. */
function report(thrown: unknown, json: boolean): number {
  if (!(thrown instanceof CogmeshError)) throw thrown;
  if (json)
    console.log(JSON.stringify({ error: { code: thrown.code, message: thrown.message, ...thrown.details } }, null, 2));
  else {
    console.error(`${paint.red('error')} ${thrown.message} ${paint.dim(`(${thrown.code})`)}`);
    for (const issue of thrown.details.issues ?? []) console.error(`  ${paint.bold(issue.path)}: ${issue.message}`);
  }
  return 1;
}
