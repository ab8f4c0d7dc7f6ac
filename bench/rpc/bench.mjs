/** Unary calls per second over loopback with our server and client against bare grpc-js with the same messages. */
import { Client, credentials, Server, ServerCredentials } from '@grpc/grpc-js';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { inferenceV1 } from '@cogmesh/contracts';
import { createClient, implement, openChannel, serveRpc } from '@cogmesh/rpc';
import { compare } from '../src/compare.mjs';

const IN_FLIGHT = 32;

const { InferRequestSchema: In, InferResponseSchema: Out } = inferenceV1;
const path = '/bench.Bare/Infer';
const serialise = (schema) => (message) => Buffer.from(toBinary(schema, message));
const parse = (schema) => (bytes) => fromBinary(schema, bytes);

async function ours() {
  const service = implement(inferenceV1.InferenceService, {
    infer: async ({ model }) => ({ model }),
    async *inferStream() {},
  });
  const server = await serveRpc({ address: '127.0.0.1:0', services: [service] });
  const channel = openChannel({ target: server.address });
  const client = createClient(inferenceV1.InferenceService, channel);
  return { call: () => client.infer({ model: 'm' }), close: () => (channel.close(), server.stop(100)) };
}

async function bare() {
  const server = new Server();
  const method = {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: serialise(In),
    requestDeserialize: parse(In),
    responseSerialize: serialise(Out),
    responseDeserialize: parse(Out),
  };
  server.addService(
    { infer: method },
    { infer: (call, done) => done(null, create(Out, { model: call.request.model })) },
  );
  const port = await new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  const call = () =>
    new Promise((resolve, reject) =>
      client.makeUnaryRequest(path, serialise(In), parse(Out), create(In, { model: 'm' }), (error, answer) =>
        error ? reject(error) : resolve(answer),
      ),
    );
  return { call, close: () => (client.close(), server.forceShutdown()) };
}

const flight = (call) => () => Promise.all(Array.from({ length: IN_FLIGHT }, call));

export async function* cases() {
  const [a, b] = [await ours(), await bare()];
  try {
    yield await compare({
      title: `unary calls, ${IN_FLIGHT} in flight`,
      ours: flight(a.call),
      peer: flight(b.call),
      peerName: 'grpc-js alone',
      batch: IN_FLIGHT,
    });
  } finally {
    await a.close();
    await b.close();
  }
}
