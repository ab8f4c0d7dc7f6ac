/** Follows a run to its end on the terminal: redrawn in place on a TTY, plain lines elsewhere, silent with --json. */
import type { CogmeshClient, RunView } from '@cogmesh/sdk';
import { createLogUpdate } from 'log-update';
import type { CliContext } from '../context.js';
import { drawDag, eventLine } from './dag-view.js';
import { RunProgress } from './progress.js';

const REDRAW_MS = 100;

export async function watchToEnd(context: CliContext, client: CogmeshClient, run: RunView): Promise<RunView> {
  if (context.json) return client.waitForRun(run.id);
  await (process.stdout.isTTY ? redraw(client, run) : print(context, client, run));
  return client.getRun(run.id);
}

async function redraw(client: CogmeshClient, run: RunView): Promise<void> {
  const progress = new RunProgress(await client.getRun(run.id));
  const update = createLogUpdate(process.stdout);
  const draw = () => update(drawDag(progress, Date.now()));
  const ticker = setInterval(draw, REDRAW_MS);
  try {
    for await (const event of client.watchRun(run.id)) {
      progress.apply(event);
      if (progress.lacksTotals) progress.learnTotals(await client.getRun(run.id));
    }
  } finally {
    clearInterval(ticker);
    draw();
    update.done();
  }
}

async function print(context: CliContext, client: CogmeshClient, run: RunView): Promise<void> {
  for await (const event of client.watchRun(run.id)) {
    const line = eventLine(event);
    if (line !== undefined) context.say(line);
  }
}
