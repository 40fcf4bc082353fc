/** A token of this server whose owner may push to the stream, or to this source alone. */
import type { BearerAuthentication } from "#gen/tributary/management/v1/source_pb.js";
import type { AuthenticationType } from "./source.ts";

/** The kind `bearer`. */
export const bearer: AuthenticationType<BearerAuthentication> = {
  check: () => [],
  open: (_config, { name }, { authenticateBearer }) => ({
    credentialHeaders: ["authorization", "dpop"],
    admit(head) {
      const caller = authenticateBearer(head, name);
      return caller instanceof Promise ? caller.then(() => ADMITTED) : ADMITTED;
    },
  }),
};

const ADMITTED = {};
