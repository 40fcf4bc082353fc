/** Server reflection, so that buf curl and grpcurl need no schema. v1alpha has the same messages. */
import {
  createRegistry,
  type DescFile,
  type DescService,
  type Registry,
  toBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { ConnectRouter } from "@connectrpc/connect";
import { ServerReflection } from "#gen/grpc/reflection/v1/reflection_pb.js";
import { ServerReflection as ServerReflectionAlpha } from "#gen/grpc/reflection/v1alpha/reflection_pb.js";

const NOT_FOUND = 5;

/** What both versions ask. */
interface Question {
  readonly messageRequest:
    | { case: "fileByFilename" | "fileContainingSymbol" | "listServices"; value: string }
    | { case: "allExtensionNumbersOfType"; value: string }
    | {
        case: "fileContainingExtension";
        value: { containingType: string; extensionNumber: number };
      }
    | { case: undefined; value?: undefined };
}

/** Registers both versions for the given services. */
export function registerReflection(services: () => readonly DescService[]) {
  return (router: ConnectRouter): void => {
    let answer: ((question: Question) => object) | undefined;
    async function* serverReflectionInfo(questions: AsyncIterable<Question>) {
      for await (const question of questions) {
        answer ??= createAnswerer(services());
        yield {
          originalRequest: question as never,
          messageResponse: answer(question) as never,
        };
      }
    }
    router.service(ServerReflection, { serverReflectionInfo });
    router.service(ServerReflectionAlpha, { serverReflectionInfo });
  };
}

function createAnswerer(services: readonly DescService[]): (question: Question) => object {
  const files = new Map<string, DescFile>();
  for (const { file } of services) collectFiles(file, files);
  const registry = createRegistry(...files.values());
  const filesAnswer = (file: DescFile | undefined, what: string) => {
    if (!file) return notFound(what);
    const needed = new Map<string, DescFile>();
    collectFiles(file, needed);
    const fileDescriptorProto = [...needed.values()].map(({ proto }) =>
      toBinary(FileDescriptorProtoSchema, proto),
    );
    return { case: "fileDescriptorResponse", value: { fileDescriptorProto } };
  };
  return ({ messageRequest: question }) => {
    switch (question.case) {
      case "listServices": {
        const service = services.map(({ typeName }) => ({ name: typeName }));
        return { case: "listServicesResponse", value: { service } };
      }
      case "fileByFilename":
        return filesAnswer(files.get(question.value), question.value);
      case "fileContainingSymbol":
        return filesAnswer(findSymbol(registry, question.value), question.value);
      case "fileContainingExtension": {
        const { containingType, extensionNumber } = question.value;
        const found = extensionsOf(registry, containingType).find(
          ({ number }) => number === extensionNumber,
        );
        return filesAnswer(found?.file, `extension ${extensionNumber} of ${containingType}`);
      }
      case "allExtensionNumbersOfType": {
        const extensionNumber = extensionsOf(registry, question.value).map((e) => e.number);
        const value = { baseTypeName: question.value, extensionNumber };
        return { case: "allExtensionNumbersResponse", value };
      }
      default:
        return notFound("an empty question");
    }
  };
}

function collectFiles(file: DescFile, into: Map<string, DescFile>): void {
  const name = file.proto.name;
  if (into.has(name)) return;
  into.set(name, file);
  for (const dependency of file.dependencies) collectFiles(dependency, into);
}

/** File of a message, enum, service or extension, or of the method, field or value within one. */
function findSymbol(registry: Registry, symbol: string): DescFile | undefined {
  const found = registry.get(symbol) ?? registry.get(symbol.slice(0, symbol.lastIndexOf(".")));
  return found?.file;
}

function extensionsOf(registry: Registry, typeName: string) {
  return [...registry]
    .filter((type) => type.kind === "extension")
    .filter((type) => type.extendee.typeName === typeName);
}

function notFound(what: string): object {
  const errorMessage = `${what} is not known to this server`;
  return { case: "errorResponse", value: { errorCode: NOT_FOUND, errorMessage } };
}
