/** Makes messages of the steps of one tail. */
import { create, toBinary } from "@bufbuild/protobuf";
import type { HandlerContext } from "@connectrpc/connect";
import {
  type TailRecordsResponse,
  TailRecordsResponseSchema,
} from "#gen/tributary/records/v1/record_service_pb.js";
import { straightAnswerKey } from "../core/straight-answer.ts";
import type { LiveFrame, ResponseEncoder } from "./live-frame.ts";
import type { TailStep } from "./record-tail.ts";

/** Prints for one reader. */
export interface TailPrinter {
  /** Messages of a step that the generated handler is to send; what goes past it is written on the way. */
  print(step: TailStep): AsyncGenerator<TailRecordsResponse>;
  /**
   * Writes a frame that all readers are given, at once, between two steps. False when that cannot be: before
   * the first message, while the handler has one, and while the reader takes nothing more.
   */
  give(frame: LiveFrame): boolean;
}

/**
 * What all readers are given alike goes past the generated handler, which costs each reader ten times what
 * writing the bytes does: then there is nothing to yield.
 */
export function createTailPrinter(
  { encodeJson }: { readonly encodeJson: ResponseEncoder },
  context: HandlerContext,
): TailPrinter {
  const straight = context.values.get(straightAnswerKey);
  const isJson = /json/i.test(context.requestHeader.get("content-type") ?? "");
  const toBytes = straight?.isJson ? encodeJson : encodeBinary;
  // The first message brings the head of the answer.
  let hasHead = false;
  let isYielding = false;
  let taking: Promise<void> | undefined;
  const write = (frame: LiveFrame) => {
    const wait = straight?.write(frame.enveloped(toBytes));
    if (!wait) return;
    const taken = wait.then(() => {
      if (taking === taken) taking = undefined;
    });
    taking = taken;
  };
  const toMessage = ({ frame, skipped, missed }: TailStep) => {
    const counts = { skipped: BigInt(skipped), missed: BigInt(missed) };
    const records = isJson ? (frame?.messages() ?? []) : [];
    const response = create(TailRecordsResponseSchema, { records, ...counts });
    if (!isJson && frame) response.$unknown = frame.encoded();
    return response;
  };
  /**
   * What was yielded stays in the memory of the generated handler until the next time that something is:
   * for most tails never. So the first message is one of a single record.
   */
  const partsOf = (step: TailStep): readonly TailStep[] => {
    if (!straight || hasHead || !step.frame || !step.isShared) return [step];
    const [first, rest] = step.frame.firstAndRest();
    const parts: TailStep[] = [{ ...step, frame: first }];
    if (rest) parts.push({ frame: rest, isShared: true, skipped: 0, missed: 0 });
    return parts;
  };
  return {
    async *print(step) {
      for (const part of partsOf(step)) {
        await taking;
        const { frame, isShared, skipped, missed } = part;
        if (straight && hasHead && frame && isShared && skipped === 0 && missed === 0) {
          write(frame);
          await taking;
          continue;
        }
        hasHead = true;
        isYielding = true;
        yield toMessage(part);
        isYielding = false;
      }
    },
    give(frame) {
      if (!straight || !hasHead || isYielding || taking) return false;
      write(frame);
      return true;
    },
  };
}

function encodeBinary(response: TailRecordsResponse): Uint8Array {
  return toBinary(TailRecordsResponseSchema, response);
}
