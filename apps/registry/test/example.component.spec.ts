/** The example of docs/ as its reader runs it: a program of its own, with an address and a token. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually, RegistryWorld } from './registry-world.js';

const example = fileURLToPath(new URL('../../../docs/examples/lookup-agent.ts', import.meta.url));

let world: RegistryWorld;
let child: ChildProcess;
let output: string;

beforeEach(async () => {
  world = await RegistryWorld.create();
  output = '';
  child = spawn(process.execPath, [example, world.address, await world.token()], { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk: Buffer) => (output += String(chunk)));
});
afterEach(async () => {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await world.close();
});

const agentId = () =>
  eventually(() => {
    const id = /serving acme\/lookup as (agent_\w+)/.exec(output)?.[1];
    if (id === undefined) throw new Error(`it says: ${output}`);
    return id;
  });

const ask = async (agent: string, article: string) => {
  const work = { capability: 'tool:acme/lookup', inputJson: JSON.stringify({ article }) };
  const [attemptId] = await world.dispatch([work], { agent });
  return (await world.result(attemptId)).outcome;
};

describe('docs/examples/lookup-agent.ts', () => {
  it('answers, fails with a reason, and leaves cleanly on SIGTERM', async () => {
    const id = await agentId();
    expect(await ask(id, 'tea')).toEqual({ case: 'outputJson', value: '{"article":"tea","price":3.2,"attempt":1}' });
    expect(await ask(id, 'gold')).toMatchObject({
      case: 'error',
      value: { code: 'not_found', message: 'no price for "gold"', retryable: false },
    });
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    await eventually(() => expect(world.events.at(-1)).toMatchObject({ agentId: id, state: 'GONE' }));
  });
});
