/** Cases that both public faces must answer alike: the same value, or the same error code. */
import type { ErrorCode } from '@cogmesh/errors';
import { registryV1, schedulerV1 } from '@cogmesh/contracts';
import type { Face } from './faces.js';
import { hiddenNeeds } from './fake-scheduling.js';
import type { GatewayWorld, Who } from './gateway-world.js';

export interface Things {
  /** Globex's, running. */
  readonly run: string;
  /** Globex's, over, with three events. */
  readonly overRun: string;
  readonly acmeRun: string;
  /** Globex's; only its document tells that a nested run needs a model. */
  readonly nestedRun: string;
  /** The same with a model nobody may use. */
  readonly secretRun: string;
  readonly blob: string;
  readonly acmeBlob: string;
}

export interface FaceCase {
  readonly name: string;
  readonly as?: Who;
  readonly call: (face: Face, things: Things) => Promise<unknown>;
  readonly code?: ErrorCode;
  /** Matched against the answer (`toMatchObject`). */
  readonly want?: unknown;
}

export const unknownRun = 'run_01JDGS3A6Y0000000000000000';

export const document = (input: unknown = {}, uses: readonly string[] = ['model:reader']): string =>
  JSON.stringify({ input, tasks: uses.map((use, i) => ({ id: `t${i}`, uses: use })) });

export const faceCases: readonly FaceCase[] = [
  { name: 'whoami', call: (face) => face.whoAmI(), want: { sub: 'member', organisation: 'globex', roles: ['member'] } },
  {
    name: 'a role the issuer may not claim is dropped',
    as: 'guest',
    call: (face) => face.whoAmI(),
    want: { roles: [] },
  },
  { name: 'no token', as: 'nobody', call: (face) => face.whoAmI(), code: 'unauthenticated' },
  { name: 'an expired token', as: 'expired', call: (face) => face.whoAmI(), code: 'expired_token' },
  { name: 'an issuer nobody registered', as: 'rogue', call: (face) => face.whoAmI(), code: 'unknown_issuer' },
  { name: 'globex’s key under acme’s issuer', as: 'forged', call: (face) => face.whoAmI(), code: 'invalid_token' },
  { name: 'submit', call: (face) => face.submitRun(document()), want: { organisation: 'globex', state: 'RUNNING' } },
  {
    name: 'submit with an own blob',
    call: (face, { blob }) => face.submitRun(document({ image: { $blob: blob } })),
    want: { organisation: 'globex' },
  },
  {
    name: 'submit without the role',
    as: 'guest',
    call: (face) => face.submitRun(document()),
    code: 'permission_denied',
  },
  { name: 'submit what is not JSON', call: (face) => face.submitRun('{"tasks": [}'), code: 'invalid_json' },
  { name: 'submit without tasks', call: (face) => face.submitRun('{}'), code: 'invalid_run' },
  { name: 'submit a list', call: (face) => face.submitRun('[]'), code: 'invalid_run' },
  {
    name: 'submit with a denied model',
    call: (face) => face.submitRun(document({}, ['model:acme/secret-plans@^1'])),
    code: 'permission_denied',
  },
  {
    name: 'submit with another organisation’s blob',
    call: (face, { acmeBlob }) => face.submitRun(document({ a: [{ $blob: acmeBlob }] })),
    code: 'not_found',
  },
  {
    name: 'submit with a blob that never was',
    call: (face) => face.submitRun(document({ $blob: 'blob_01JDGS3A6Y0000000000000000' })),
    code: 'not_found',
  },
  {
    name: 'submit with a blob id that is none',
    call: (face) => face.submitRun(document({ $blob: '../../etc/passwd' })),
    code: 'invalid_run',
  },
  {
    name: 'submit naming too many models',
    call: (face) =>
      face.submitRun(
        document(
          {},
          Array.from({ length: 101 }, (_, i) => `model:m${i}`),
        ),
      ),
    code: 'invalid_run',
  },
  {
    name: 'submit with too long a key',
    call: (face) => face.submitRun(document(), 'k'.repeat(256)),
    code: 'invalid_argument',
  },
  {
    name: 'read',
    call: (face, { run }) => face.getRun(run),
    want: { name: 'read-invoice', tasks: [{ id: 'detect', state: 'RUNNING' }] },
  },
  { name: 'read without the role', as: 'guest', call: (face, { run }) => face.getRun(run), code: 'permission_denied' },
  { name: 'read another organisation’s run', call: (face, { acmeRun }) => face.getRun(acmeRun), code: 'not_found' },
  { name: 'read a run that never was', call: (face) => face.getRun(unknownRun), code: 'not_found' },
  { name: 'read what cannot be a run', call: (face) => face.getRun('..:admin'), code: 'not_found' },
  { name: 'list at most one', call: (face) => face.listRuns(1), want: [{ organisation: 'globex' }] },
  { name: 'list too many', call: (face) => face.listRuns(501), code: 'invalid_argument' },
  { name: 'cancel', call: (face, { run }) => face.cancelRun(run, 'enough'), want: { state: 'CANCELLING' } },
  {
    name: 'cancel another organisation’s run',
    call: (face, { acmeRun }) => face.cancelRun(acmeRun, ''),
    code: 'not_found',
  },
  {
    name: 'cancel with a novel',
    call: (face, { run }) => face.cancelRun(run, 'x'.repeat(501)),
    code: 'invalid_argument',
  },
  {
    name: 'output while there is none',
    call: (face, { run }) => face.getOutput(run, '').then((output) => ({ output })),
    want: { output: null },
  },
  { name: 'output', call: (face, { overRun }) => face.getOutput(overRun, ''), want: { text: 'total 12' } },
  { name: 'output of a task', call: (face, { run }) => face.getOutput(run, 'detect'), want: { of: 'detect' } },
  {
    name: 'watch from the beginning',
    call: (face, { overRun }) => face.watchRun(overRun, 0),
    want: [{ sequence: 1 }, { sequence: 2, taskId: 'detect' }, { sequence: 3, type: 'run.done' }],
  },
  {
    name: 'watch what is left',
    call: (face, { overRun }) => face.watchRun(overRun, 2),
    want: [{ sequence: 3, runState: 'SUCCEEDED' }],
  },
  {
    name: 'watch another organisation’s run',
    call: (face, { acmeRun }) => face.watchRun(acmeRun, 0),
    code: 'not_found',
  },
  {
    name: 'upload',
    call: (face) => face.putBlob('text/plain', Buffer.from('abc')),
    want: { bytes: 3, sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad' },
  },
  {
    name: 'upload without the role',
    as: 'guest',
    call: (face) => face.putBlob('text/plain', Buffer.from('abc')),
    code: 'permission_denied',
  },
  {
    name: 'upload too much',
    call: (face) => face.putBlob('text/plain', Buffer.alloc(300_000)),
    code: 'payload_too_large',
  },
  {
    name: 'upload of no type',
    call: (face) => face.putBlob('nonsense', Buffer.from('abc')),
    code: 'unsupported_media_type',
  },
  {
    name: 'download',
    call: async (face, { blob }) => ({ text: (await face.getBlob(blob)).toString() }),
    want: { text: 'globex picture' },
  },
  {
    name: 'download another organisation’s blob',
    call: (face, { acmeBlob }) => face.getBlob(acmeBlob),
    code: 'not_found',
  },
  { name: 'download what cannot be a blob', call: (face) => face.getBlob('blob_x'), code: 'not_found' },
  {
    name: 'models',
    call: (face) => face.listModels(),
    want: [
      {
        name: 'acme/reader',
        version: '1.0.0',
        ready: true,
        agents: 2,
        metadata: { platform: 'onnx' },
        inputSchema: { type: 'object' },
      },
    ],
  },
  {
    name: 'models without the role',
    as: 'guest',
    call: async (face) => ({ models: await face.listModels() }),
    want: { models: [] },
  },
  {
    name: 'agents',
    call: (face) => face.listAgents(),
    want: [
      {
        id: 'agent_g',
        kind: 'SDK',
        state: 'READY',
        capabilities: [{ name: 'tool:globex/lookup', inputSchema: { type: 'object' } }],
      },
    ],
  },
  { name: 'agents without the role', as: 'guest', call: (face) => face.listAgents(), code: 'permission_denied' },
  {
    name: 'explain',
    call: (face) => face.explainPolicy('infer', { type: 'model', id: 'acme/secret-plans' }),
    want: { allowed: false, code: 'denied_by_rule' },
  },
  {
    name: 'explain to the denied',
    as: 'guest',
    call: (face) => face.explainPolicy('list', { type: 'run', id: '' }),
    want: { allowed: false },
  },
  {
    name: 'explain a nonsense type',
    call: (face) => face.explainPolicy('list', { type: 'moon', id: '' }),
    code: 'invalid_argument',
  },
];

const { READY, LOST } = registryV1.AgentState;
const { WORKER, SDK } = registryV1.AgentKind;
const served = (name: string, ready: boolean) => ({
  name,
  ready,
  credits: 1,
  metadataJson: '{"platform":"onnx"}',
  inputSchemaJson: '{"type":"object"}',
});

export const agents = [
  {
    id: 'agent_1',
    organisation: 'acme',
    kind: WORKER,
    state: READY,
    capabilities: [
      served('model:acme/reader@1.0.0', true),
      served('model:acme/secret-plans@1.0.0', true),
      served('script', true),
    ],
  },
  {
    id: 'agent_2',
    organisation: 'acme',
    kind: WORKER,
    state: READY,
    capabilities: [served('model:acme/reader@1.0.0', false)],
  },
  {
    id: 'agent_3',
    organisation: 'acme',
    kind: WORKER,
    state: LOST,
    capabilities: [served('model:acme/gone@1.0.0', true)],
  },
  {
    id: 'agent_g',
    organisation: 'globex',
    kind: SDK,
    state: READY,
    capabilities: [served('tool:globex/lookup', true)],
  },
];

export async function prepare(world: GatewayWorld): Promise<Things> {
  const { scheduler } = world;
  world.registry.agents = agents;
  const upload = async (who: Who, text: string) => {
    const response = await world.fetch(who, '/v1/blobs', {
      method: 'POST',
      body: text,
      headers: { 'content-type': 'image/png' },
    });
    return ((await response.json()) as { id: string }).id;
  };
  const overRun = scheduler.addRun('globex', {
    state: schedulerV1.RunState.SUCCEEDED,
    outputJson: '{"text":"total 12"}',
    sequence: 3n,
  });
  scheduler.addEvents(
    overRun,
    { type: 'run.state', runState: schedulerV1.RunState.RUNNING },
    { type: 'task.state', taskId: 'detect', taskState: schedulerV1.TaskState.SUCCEEDED },
    { type: 'run.done', runState: schedulerV1.RunState.SUCCEEDED },
  );
  const [nestedRun, secretRun] = [scheduler.addRun('globex'), scheduler.addRun('globex')];
  hiddenNeeds.set(nestedRun, [{ action: 'infer', resource: '/models/globex/inner' }]);
  hiddenNeeds.set(secretRun, [{ action: 'infer', resource: '/models/acme/secret-plans' }]);
  scheduler.addRun('globex', { name: 'labelled', labels: { team: 'a', 'x.y': 'b=c' } });
  return {
    nestedRun,
    secretRun,
    run: scheduler.addRun('globex'),
    overRun,
    acmeRun: scheduler.addRun('acme'),
    blob: await upload('member', 'globex picture'),
    acmeBlob: await upload('acme', 'acme picture'),
  };
}
