/** grpc-js method definitions from protobuf-es descriptors. */
import { type DescMethod, fromBinary, type Message, toBinary } from '@bufbuild/protobuf';
import type { MethodDefinition } from '@grpc/grpc-js';

export const methodPath = (method: DescMethod) => `/${method.parent.typeName}/${method.name}`;

const isRequestStream = (method: DescMethod) =>
  method.methodKind === 'client_streaming' || method.methodKind === 'bidi_streaming';
const isResponseStream = (method: DescMethod) =>
  method.methodKind === 'server_streaming' || method.methodKind === 'bidi_streaming';

export function methodDefinition(method: DescMethod): MethodDefinition<Message, Message> {
  const asBuffer = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    path: methodPath(method),
    originalName: method.localName,
    requestStream: isRequestStream(method),
    responseStream: isResponseStream(method),
    requestSerialize: (message) => asBuffer(toBinary(method.input, message)),
    requestDeserialize: (bytes) => fromBinary(method.input, bytes),
    responseSerialize: (message) => asBuffer(toBinary(method.output, message)),
    responseDeserialize: (bytes) => fromBinary(method.output, bytes),
  };
}
