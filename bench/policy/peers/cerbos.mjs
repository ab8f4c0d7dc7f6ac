/** Cerbos from npm, as a server over gRPC, with one resource policy for each group of rules. Its decision log is off. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { freePorts } from '@cogmesh/backends';
import { installNode } from './install.mjs';

const VERSION = '0.55.0';
const START_MS = 60_000;

export const method = '/cerbos.svc.v1.CerbosService/CheckResources';

/** The program's path; rejects where it cannot be had. */
export async function install() {
  const folder = await installNode('cerbos', { [`@cerbos/cerbos-linux-x64`]: VERSION });
  return join(folder, 'node_modules/@cerbos/cerbos-linux-x64/cerbos-linux-x64');
}

const conditions = {
  "role == 'operator'": undefined,
  "'operator' in roles": undefined,
  "attributes.level >= 2 && context.region == 'eu'": 'P.attr.level >= 2 && P.attr.region == "eu"',
  "context.region == 'us'": 'P.attr.region == "us"',
};

const kindOf = (organisation, group) => `${organisation}-m${group}`;

/** Three rules about a folder as one policy; what is inside the folder is the resource's id. */
function policyFiles({ organisation, policies }) {
  const groups = Map.groupBy(policies, ({ resources: [resource] }) => /\/m(\d+)\//.exec(resource)?.[1]);
  return [...groups]
    .filter(([group]) => group !== undefined)
    .map(([group, rules]) => ({
      apiVersion: 'api.cerbos.dev/v1',
      resourcePolicy: { resource: kindOf(organisation, group), version: 'default', rules: rules.map(ruleOf) },
    }));
}

function ruleOf({ policy, permissions, resources: [resource], effect = 'allow' }) {
  const byRole = policy?.includes('operator') === true;
  const exact = resource.endsWith('*') ? [] : [`R.id == "${resource.split('/').at(-1)}"`];
  const asked = [...exact, conditions[policy]].filter((each) => each !== undefined).join(' && ');
  return {
    actions: permissions,
    effect: effect === 'allow' ? 'EFFECT_ALLOW' : 'EFFECT_DENY',
    roles: [byRole ? 'operator' : '*'],
    ...(asked === '' ? {} : { condition: { match: { expr: asked } } }),
  };
}

/** A server on ports of its own. */
export async function start(program, sets) {
  const folder = await mkdtemp(join(tmpdir(), 'cogmesh-bench-cerbos-'));
  await mkdir(join(folder, 'policies'));
  for (const file of sets.flatMap(policyFiles))
    await writeFile(join(folder, 'policies', `${file.resourcePolicy.resource}.json`), JSON.stringify(file));
  const [http, grpc] = await freePorts(2);
  const settings = {
    'server.httpListenAddr': `127.0.0.1:${http}`,
    'server.grpcListenAddr': `127.0.0.1:${grpc}`,
    'storage.driver': 'disk',
    'storage.disk.directory': join(folder, 'policies'),
    'telemetry.disabled': 'true',
  };
  const flags = Object.entries(settings).map(([name, value]) => `--set=${name}=${value}`);
  const child = spawn(program, ['server', '--log-level=error', ...flags], { stdio: 'ignore' });
  const exited = new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
  const stop = async () => {
    child.kill();
    await exited;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await untilHealthy(http, child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { target: `127.0.0.1:${grpc}`, stop };
}

async function untilHealthy(port, child) {
  const until = performance.now() + START_MS;
  while (performance.now() < until && child.exitCode === null) {
    const isUp = await fetch(`http://127.0.0.1:${port}/_cerbos/health`).then(({ ok }) => ok, () => false); // prettier-ignore
    if (isUp) return;
    await delay(50);
  }
  throw new Error(`cerbos was not healthy within ${START_MS / 1_000} s`);
}

const message = (writer, number, write) => {
  writer.uint32((number << 3) | 2).fork();
  write(writer);
  return writer.join();
};
const text = (writer, number, value) => writer.uint32((number << 3) | 2).string(value);

/** `map<string, google.protobuf.Value>` of numbers and texts. */
function attributes(writer, number, members) {
  for (const [name, value] of Object.entries(members))
    message(writer, number, () => {
      text(writer, 1, name);
      message(writer, 2, () => {
        if (typeof value === 'number') writer.uint32((2 << 3) | 1).double(value);
        else text(writer, 3, value);
      });
    });
}

/** CheckResourcesRequest as bytes. */
export function checkOf({ subject, action, resource, context }) {
  const [organisation, group, id] = resource.id.split('/');
  const writer = new BinaryWriter();
  message(writer, 3, () => {
    text(writer, 1, subject.sub);
    for (const role of subject.roles) text(writer, 3, role);
    attributes(writer, 4, { ...subject.attributes, ...context });
  });
  message(writer, 4, () => {
    text(writer, 1, action);
    message(writer, 2, () => {
      text(writer, 1, `${organisation}-${group}`);
      text(writer, 3, id);
    });
  });
  return Buffer.from(writer.finish());
}

/** EFFECT_ALLOW for the action that was asked about: field 2 of its entry in the map. */
export function isAllowed(answer, action) {
  const entry = Buffer.concat([Buffer.from([0x0a, action.length]), Buffer.from(action), Buffer.from([0x10, 0x01])]);
  return answer.includes(entry);
}
