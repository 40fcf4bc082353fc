/** Enforces the `buf.validate` rules of requests: every violation at once, as google.rpc.BadRequest. */
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator } from "@bufbuild/protovalidate";
import type { Interceptor } from "@connectrpc/connect";
import { failFields } from "../../core/errors.ts";
import { checkEach } from "../gate.ts";

/** Violations in one answer. */
const VIOLATIONS_MAX = 100;

/**
 * Checks the message of unary and server-streaming calls. Each request of a two-way stream is a call
 * of its own: its service checks it with `validateMessage` and answers it alone.
 */
export const validateRequests: Interceptor = (next) => async (request) => {
  if (!request.stream) {
    validateMessage(request.method.input, request.message);
    return next(request);
  }
  if (request.method.methodKind === "bidi_streaming") return next(request);
  const check = (message: Message) => validateMessage(request.method.input, message);
  return next({ ...request, message: checkEach(request.message, check) });
};

const validator = createValidator();

/** Fails with INVALID_FIELDS, which lists each field and its fault (the first 100). */
export function validateMessage(schema: DescMessage, message: Message): void {
  const result = validator.validate(schema, message);
  if (result.kind === "valid") return;
  if (result.kind === "error") throw result.error;
  throw failFields(
    result.violations.slice(0, VIOLATIONS_MAX).map((violation) => ({
      field: pathToString(violation.field),
      description: violation.message || violation.ruleId,
    })),
  );
}
