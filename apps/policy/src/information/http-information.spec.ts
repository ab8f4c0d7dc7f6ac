/** Against a source that listens: what it is told, and what it may answer. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { InformationNeed, InformationSource } from '@cogmesh/policy-core';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { HttpInformation, type HttpInformationOptions } from './http-information.js';

let server: Server;
let url: string;
let questions: { readonly authorization: string | undefined; readonly body: unknown }[];
let answer: (response: ServerResponse, count: number) => void;

const low = { attributes: { risk: 'low', score: 0.5, open: true, tags: ['a'], owner: { name: 'ann' }, other: 1 } };
const sending = (value: unknown) => (response: ServerResponse) => void response.end(JSON.stringify(value));

beforeAll(async () => {
  server = createServer((request, response) => void take(request, response)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/now`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  questions = [];
  answer = (response, count) => sending({ resources: Array.from({ length: count }, () => low) })(response);
});

async function take(request: IncomingMessage, response: ServerResponse) {
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  const body = JSON.parse(Buffer.concat(parts).toString()) as { resources: unknown[] };
  questions.push({ authorization: request.headers.authorization, body });
  answer(response, body.resources.length);
}

const types = { risk: 'string', score: 'number', open: 'boolean', tags: 'list', owner: 'map' } as const;

function need(id: string, names: readonly string[] = ['risk'], more: Partial<InformationSource> = {}): InformationNeed {
  const source = { url, attributes: types, timeoutMs: 2_000, ...more };
  return { owner: 'acme', resource: { type: 'model', id }, ofRegistry: [], ofSource: names, source };
}

function information(more: Partial<HttpInformationOptions> = {}) {
  const bounds = {
    timeoutMs: 2_000,
    ttlMs: 1_000,
    bodyMaxBytes: 4_096,
    entriesMax: 100,
    callsMax: 4,
    now: () => 5_000,
  };
  const sign = async (question: { url: string; body: string }) => `signed ${question.url} ${question.body.length}`;
  return new HttpInformation({ ...bounds, sign, allowPrivate: true, ...more });
}

const problemOf = async (needed: InformationNeed, more: Partial<HttpInformationOptions> = {}) => {
  const [told] = await information(more).attributesOf([needed]);
  expect(told?.attributes).toEqual({});
  return told?.problem;
};

it('asks about all resources in one signed question, and keeps what it was told', async () => {
  const asked = information();
  const all = Object.keys(types);
  const told = await asked.attributesOf([need('acme/a', all), need('acme/b')]);
  expect(told).toEqual([
    { attributes: { risk: 'low', score: 0.5, open: true, tags: ['a'], owner: { name: 'ann' } }, untilMs: 6_000 },
    { attributes: { risk: 'low' }, untilMs: 6_000 },
  ]);
  await asked.attributesOf([need('acme/b')]);
  const resources = [
    { type: 'model', id: 'acme/a', attributes: all },
    { type: 'model', id: 'acme/b', attributes: ['risk'] },
  ];
  const length = JSON.stringify({ resources }).length;
  expect(questions).toEqual([{ authorization: `Bearer signed ${url} ${String(length)}`, body: { resources } }]);
});

it('counts what is not of its declared type, or not there, as missing', async () => {
  answer = sending({ resources: [{ attributes: { risk: 7, open: true, tags: {} } }] });
  const [told] = await information().attributesOf([need('acme/a', ['risk', 'score', 'open', 'tags'])]);
  expect(told?.attributes).toEqual({ open: true });
  expect(told?.problem).toContain('gave no "risk", "score", "tags" of the declared type');
});

it('waits as long as the set says', async () => {
  answer = () => undefined;
  expect(await problemOf(need('acme/a', ['risk'], { timeoutMs: 20 }))).toContain('in 20 ms: no whole answer in time');
  answer = (response) => void response.write('{"resources": [');
  expect(await problemOf(need('acme/a', ['risk'], { timeoutMs: 50 }))).toContain('no whole answer in time');
});

it.each([
  ['a status', (response: ServerResponse) => void response.writeHead(500).end(), 'it answered 500'],
  ['a redirect', (r: ServerResponse) => void r.writeHead(302, { location: url }).end(), 'it answered 302'],
  ['too much', (r: ServerResponse) => void r.end(' '.repeat(5_000)), 'more than 4096 bytes'],
  ['no JSON', (response: ServerResponse) => void response.end('<html>'), 'did not say'],
  ['a name twice', (r: ServerResponse) => void r.end('{"resources":[{"attributes":{"a":1,"a":2}}]}'), 'did not say'],
  ['a list', sending([]), 'something else where an object belongs'],
  ['too few', sending({ resources: [] }), 'no "resources" with 1 entries'],
  ['attributes that are none', sending({ resources: [{ attributes: [1] }] }), 'something else'],
])('takes no answer that is %s', async (_what, given, problem) => {
  answer = given;
  expect(await problemOf(need('acme/a'))).toContain(problem);
});

it('reaches no private address, by name or number, and nothing without TLS, unless it is allowed', async () => {
  const guarded = { allowPrivate: false };
  const at = (place: string) => problemOf(need('acme/a', ['risk'], { url: place }), guarded);
  expect(await at(url)).toContain('not https');
  expect(await at('https://127.0.0.1:1/')).toContain('not an address of the public internet');
  expect(await at('https://[::ffff:10.0.0.1]/')).toContain('not an address of the public internet');
  expect(await at('https://localhost:1/')).toContain('not an address of the public internet');
  expect(questions).toEqual([]);
});
