/** ConformanceService as the suite describes it: answers what each request defines, and echoes it. */
import { setTimeout as sleep } from "node:timers/promises";
import { create, type DescMessage, type DescService, type Message } from "@bufbuild/protobuf";
import { type Any, anyPack } from "@bufbuild/protobuf/wkt";
import { ConnectError, type HandlerContext } from "@connectrpc/connect";
import type { Registration } from "../../src/server/rpc.ts";

interface HeaderMessage {
  readonly name: string;
  readonly value: readonly string[];
}

interface ErrorMessage {
  readonly code: number;
  readonly message?: string;
  readonly details: readonly Any[];
}

interface UnaryDefinition {
  readonly responseHeaders: readonly HeaderMessage[];
  readonly responseTrailers: readonly HeaderMessage[];
  readonly responseDelayMs: number;
  readonly response:
    | { readonly case: "responseData"; readonly value: Uint8Array }
    | { readonly case: "error"; readonly value: ErrorMessage }
    | { readonly case: undefined };
}

interface StreamDefinition {
  readonly responseHeaders: readonly HeaderMessage[];
  readonly responseTrailers: readonly HeaderMessage[];
  readonly responseDelayMs: number;
  readonly responseData: readonly Uint8Array[];
  readonly error?: ErrorMessage;
}

type UnaryRequest = Message & { readonly responseDefinition?: UnaryDefinition };
type StreamRequest = Message & {
  readonly responseDefinition?: StreamDefinition;
  readonly fullDuplex?: boolean;
};

/** The generated stubs, which exist only while the suite runs. */
export interface ConformanceStubs {
  readonly ConformanceService: DescService;
  readonly ConformancePayload_RequestInfoSchema: DescMessage;
}

/** Registers the service. */
export function registerConformance(stubs: ConformanceStubs): Registration {
  const { ConformanceService: service, ConformancePayload_RequestInfoSchema: infoSchema } = stubs;
  const schemaOf = (method: string) => service.method[method]!.input;

  const createInfo = (
    schema: DescMessage,
    requests: readonly Message[],
    context: HandlerContext,
  ) => {
    const timeoutMs = context.timeoutMs();
    return create(infoSchema, {
      requestHeaders: [...context.requestHeader].map(([name, value]) => ({ name, value: [value] })),
      requests: requests.map((request) => anyPack(schema, request)),
      ...(timeoutMs !== undefined && { timeoutMs: BigInt(Math.round(timeoutMs)) }),
      ...(context.requestMethod === "GET" && {
        connectGetInfo: {
          queryParams: [...new URL(context.url).searchParams].map(([name, value]) => ({
            name,
            value: [value],
          })),
        },
      }),
    } as never);
  };

  const refuse = (error: ErrorMessage, info?: Message): ConnectError => {
    const refusal = new ConnectError(error.message ?? "", error.code);
    const details = [...error.details, ...(info ? [anyPack(infoSchema, info)] : [])];
    for (const { typeUrl, value } of details) {
      refusal.details.push({ type: typeUrl.slice(typeUrl.lastIndexOf("/") + 1), value });
    }
    return refusal;
  };

  const answerOnce = async (
    method: string,
    requests: readonly UnaryRequest[],
    context: HandlerContext,
  ) => {
    const requestInfo = createInfo(schemaOf(method), requests, context);
    const definition = requests[0]?.responseDefinition;
    if (!definition) return { payload: { requestInfo } };
    addHeaders(definition, context);
    await sleep(definition.responseDelayMs, undefined, { signal: context.signal });
    const { response } = definition;
    if (response.case === "error") throw refuse(response.value, requestInfo);
    return {
      payload: { requestInfo, ...(response.case === "responseData" && { data: response.value }) },
    };
  };

  async function* answerMany(
    schema: DescMessage,
    requests: readonly StreamRequest[],
    context: HandlerContext,
  ) {
    const definition = requests[0]?.responseDefinition;
    if (!definition) return;
    addHeaders(definition, context);
    const info = createInfo(schema, requests, context);
    for (const [i, data] of definition.responseData.entries()) {
      await sleep(definition.responseDelayMs, undefined, { signal: context.signal });
      yield { payload: { data, ...(i === 0 && { requestInfo: info }) } };
    }
    if (definition.error) {
      throw refuse(definition.error, definition.responseData.length === 0 ? info : undefined);
    }
  }

  async function* answerTurns(
    schema: DescMessage,
    first: StreamRequest,
    rest: AsyncIterator<StreamRequest>,
    context: HandlerContext,
  ) {
    const definition = first.responseDefinition;
    if (!definition) return;
    addHeaders(definition, context);
    let request: StreamRequest | undefined = first;
    let sent = 0;
    while (request && sent < definition.responseData.length) {
      const isFirst = sent === 0;
      const requestInfo = isFirst
        ? createInfo(schema, [request], context)
        : create(infoSchema, { requests: [anyPack(schema, request)] } as never);
      await sleep(definition.responseDelayMs, undefined, { signal: context.signal });
      yield { payload: { data: definition.responseData[sent], requestInfo } };
      sent += 1;
      const next: IteratorResult<StreamRequest> = await rest.next();
      request = next.done ? undefined : next.value;
    }
    for (const data of definition.responseData.slice(sent)) {
      await sleep(definition.responseDelayMs, undefined, { signal: context.signal });
      yield { payload: { data } };
    }
    if (definition.error) {
      const info = sent === 0 ? createInfo(schema, [first], context) : undefined;
      throw refuse(definition.error, info);
    }
  }

  const implementation = {
    unary: (request: UnaryRequest, context: HandlerContext) =>
      answerOnce("unary", [request], context),
    idempotentUnary: (request: UnaryRequest, context: HandlerContext) =>
      answerOnce("idempotentUnary", [request], context),
    clientStream: async (requests: AsyncIterable<UnaryRequest>, context: HandlerContext) =>
      answerOnce("clientStream", await collect(requests), context),
    serverStream: (request: StreamRequest, context: HandlerContext) =>
      answerMany(schemaOf("serverStream"), [request], context),
    async *bidiStream(requests: AsyncIterable<StreamRequest>, context: HandlerContext) {
      const schema = schemaOf("bidiStream");
      const iterator = requests[Symbol.asyncIterator]();
      const first = await iterator.next();
      if (first.done) return;
      if (first.value.fullDuplex) {
        yield* answerTurns(schema, first.value, iterator, context);
        return;
      }
      const all = [first.value];
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
        all.push(next.value);
      }
      yield* answerMany(schema, all, context);
    },
  };
  return (router) => router.service(service, implementation as never);
}

function addHeaders(
  definition: Pick<UnaryDefinition, "responseHeaders" | "responseTrailers">,
  context: HandlerContext,
): void {
  for (const { name, value } of definition.responseHeaders) {
    for (const item of value) context.responseHeader.append(name, item);
  }
  for (const { name, value } of definition.responseTrailers) {
    for (const item of value) context.responseTrailer.append(name, item);
  }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
