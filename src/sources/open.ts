/** Sources that ask for no credential: by the sender's address alone, or for everybody. */
import type {
  AddressAuthentication,
  NoAuthentication,
} from "#gen/tributary/management/v1/source_pb.js";
import type { AuthenticationType } from "./source.ts";

const gate = { credentialHeaders: [], admit: () => ({}) };

/** The kind `address`; the addresses themselves are checked for every kind. */
export const address: AuthenticationType<AddressAuthentication> = {
  check: (_config, source) =>
    source.allowedAddresses.length > 0
      ? []
      : [{ field: "", description: "needs source.allowed_addresses with at least one entry" }],
  open: () => gate,
};

/** The kind `none` (S11). */
export const none: AuthenticationType<NoAuthentication> = {
  check: ({ acknowledged }) =>
    acknowledged
      ? []
      : [
          {
            field: "acknowledged",
            description:
              "must be true: everybody who learns the address will be able to push to the stream",
          },
        ],
  open: () => gate,
};
