/** The standard reflection service over protobuf-es descriptors, so that grpcurl and friends work without our protos. */
import { type DescFile, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { GrpcStatus } from '@cogmesh/errors';
import { reflectionV1 } from '@cogmesh/contracts';
import { implement, type ServiceBinding } from './server.js';

export function reflectionBinding(services: readonly ServiceBinding[]): ServiceBinding {
  const files = filesOf(services.map(({ service }) => service.file));
  const symbols = symbolsOf(files);
  const names = services.map(({ service }) => ({ name: service.typeName }));
  const answer = (request: reflectionV1.ServerReflectionRequest) => {
    const asked = request.messageRequest;
    switch (asked.case) {
      case 'listServices':
        return { case: 'listServicesResponse' as const, value: { service: names } };
      case 'fileByFilename':
        return fileAnswer(files.get(asked.value), asked.value);
      case 'fileContainingSymbol':
        return fileAnswer(symbols.get(asked.value), asked.value);
      default:
        return notFound(asked.case ?? 'empty request');
    }
  };
  const binding = implement(reflectionV1.ServerReflection, {
    serverReflectionInfo: async function* (requests) {
      for await (const request of requests) {
        yield { validHost: request.host, originalRequest: request, messageResponse: answer(request) };
      }
    },
  });
  return { ...binding, open: true };
}

const notFound = (what: string) => ({
  case: 'errorResponse' as const,
  value: { errorCode: GrpcStatus.NOT_FOUND, errorMessage: `not found: ${what}` },
});

function fileAnswer(file: DescFile | undefined, asked: string) {
  if (!file) return notFound(asked);
  const closure = [...filesOf([file]).values()];
  return {
    case: 'fileDescriptorResponse' as const,
    value: { fileDescriptorProto: closure.map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto)) },
  };
}

/** The files and all they depend on, by the name reflection uses (`cogmesh/common/v1/common.proto`). */
function filesOf(roots: readonly DescFile[]): Map<string, DescFile> {
  const found = new Map<string, DescFile>();
  const visit = (file: DescFile): void => {
    if (found.has(file.proto.name)) return;
    found.set(file.proto.name, file);
    file.dependencies.forEach(visit);
  };
  roots.forEach(visit);
  return found;
}

function symbolsOf(files: ReadonlyMap<string, DescFile>): Map<string, DescFile> {
  const symbols = new Map<string, DescFile>();
  for (const file of files.values()) {
    for (const { typeName } of [...file.services, ...file.messages, ...file.enums]) symbols.set(typeName, file);
    for (const service of file.services)
      for (const method of service.methods) symbols.set(`${service.typeName}.${method.name}`, file);
  }
  return symbols;
}
