/** Input schemas that agents announce to the built registry: kept, told, refused. */
import { registryV1 } from '@cogmesh/contracts';
import { createAgent } from '@cogmesh/sdk';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually, RegistryWorld } from './registry-world.js';

const { SDK, WORKER } = registryV1.AgentKind;
const schema = { type: 'object', required: ['word'], properties: { word: { type: 'string' } } };
const inputSchemaJson = JSON.stringify(schema);
const tool = { name: 'tool:acme/lookup', credits: 1, ready: true };

let world: RegistryWorld;
beforeEach(async () => {
  world = await RegistryWorld.create();
});
afterEach(() => world.close());

async function capabilitiesOf(request: Parameters<Awaited<ReturnType<RegistryWorld['client']>>['listAgents']>[0]) {
  const { agents } = await (await world.client()).listAgents(request);
  return agents.flatMap((agent) => agent.capabilities);
}

describe('an input schema', () => {
  it('of an SDK agent is listed, by digest where the reader wants no text, and survives a restart', async () => {
    const lookup = createAgent({ registry: world.address, token: await world.token(), name: 'lookup', stopOn: [] });
    lookup.handle('acme/lookup', () => 1, { inputSchema: schema }).handle('acme/other', () => 1);
    await lookup.start();
    const [first, second] = await capabilitiesOf({});
    expect([first?.inputSchemaJson, second?.inputSchemaJson]).toEqual([inputSchemaJson, '']);
    const digest = first?.inputSchemaSha256 ?? '';
    expect(digest).toMatch(/^[0-9a-f]{64}$/);
    expect(await capabilitiesOf({ withoutSchemas: true })).toMatchObject([
      { inputSchemaJson: '', inputSchemaSha256: digest },
      { inputSchemaJson: '', inputSchemaSha256: '' },
    ]);
    const registry = await world.client();
    expect((await registry.getInputSchemas({ sha256: [digest, 'unknown'] })).schemas).toMatchObject([
      { sha256: digest, json: inputSchemaJson },
    ]);
    await expect(registry.getInputSchemas({ sha256: Array.from({ length: 33 }, () => digest) })).rejects.toMatchObject({
      code: 'invalid_argument',
    });
    await lookup.stop({ graceMs: 0 });
    await world.stop();
    await world.start();
    expect(await capabilitiesOf({ includeGone: true })).toMatchObject([{ inputSchemaJson }, { inputSchemaJson: '' }]);
  });

  it('stays what Hello said, whatever an SDK agent says later', async () => {
    const agent = world.connect();
    agent.hello({ kind: SDK, token: await world.token(), capabilities: [{ ...tool, inputSchemaJson }] });
    await agent.welcome();
    const later = { ...tool, credits: 2, inputSchemaJson: '{"type":"array"}' };
    agent.send({ case: 'heartbeat', value: { capabilities: [later] } });
    await eventually(async () => expect(await capabilitiesOf({})).toMatchObject([{ credits: 2, inputSchemaJson }]));
  });

  it('of a worker changes with its models, and one that is refused is left out', async () => {
    const [one, two] = ['model:acme/one@1.0.0', 'model:acme/two@1.0.0'];
    const model = (name: string, json: string) => ({ name, credits: 1, ready: true, inputSchemaJson: json });
    const agent = world.connect();
    const token = await world.serviceToken('worker');
    agent.hello({ kind: WORKER, token, capabilities: [model(one, '{"type":"int"}')] });
    await agent.welcome();
    expect(await capabilitiesOf({})).toMatchObject([{ name: one, inputSchemaJson: '' }]);
    agent.send({ case: 'heartbeat', value: { capabilities: [model(one, inputSchemaJson), model(two, 'true')] } });
    await eventually(async () =>
      expect(await capabilitiesOf({})).toMatchObject([{ inputSchemaJson }, { inputSchemaJson: 'true' }]),
    );
  });

  it.each([
    ['that is none', '{"type":"int"}', 'type must be one or more of'],
    ['that is fetched from elsewhere', '{"$ref":"http://127.0.0.1/x"}', 'must point into this schema'],
    ['with a pattern that may be slow', '{"pattern":"^(a+)+$"}', 'plain sequence'],
    ['that is too large', JSON.stringify({ description: 'x'.repeat(33_000) }), 'at most 32768'],
  ])('%s ends the stream of an SDK agent', async (_name, json, message) => {
    const agent = world.connect();
    const capabilities = [tool, { ...tool, name: 'tool:acme/other', inputSchemaJson: json }];
    agent.hello({ kind: SDK, token: await world.token(), capabilities });
    const ended = await agent.ended;
    expect(ended).toMatchObject({ code: 'invalid_argument', message: expect.stringContaining(message) as unknown });
    expect(ended).toMatchObject({ message: expect.stringContaining('capabilities[1].input_schema_json') as unknown });
    expect(await capabilitiesOf({ includeGone: true })).toEqual([]);
  });

  it('is one of few: together they have a limit', async () => {
    const capabilities = Array.from({ length: 10 }, (_, index) => ({
      ...tool,
      name: `tool:acme/tool-${index}`,
      inputSchemaJson: JSON.stringify({ description: `${index}${'x'.repeat(30_000)}` }),
    }));
    const agent = world.connect();
    agent.hello({ kind: SDK, token: await world.token(), capabilities });
    expect(await agent.ended).toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('262144') as unknown,
    });
  });
});
