/** An access token of this server, as for a push. */
import type { BearerAuthentication } from "#gen/tributary/management/v1/source_pb.js";
import type { AuthenticationType } from "./source.ts";

/** The kind `bearer`. */
export const bearer: AuthenticationType<BearerAuthentication> = {
  check: () => [],
  open: (_config, { streamName }, { authenticateBearer }) => ({
    credentialHeaders: ["authorization", "dpop"],
    admit(head) {
      const caller = authenticateBearer(head, streamName);
      return caller instanceof Promise ? caller.then(() => ADMITTED) : ADMITTED;
    },
  }),
};

const ADMITTED = {};
