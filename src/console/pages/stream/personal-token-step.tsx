/** Makes a personal token for a test. */
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { createClient } from "@connectrpc/connect";
import { AccessRule_Role as Role } from "#gen/tributary/access/v1/access_pb.js";
import { Token_Kind } from "#gen/tributary/management/v1/token_pb.js";
import { TokenService } from "#gen/tributary/management/v1/token_service_pb.js";
import { transport } from "../../api/transport.ts";
import { ActionButton } from "../../parts/form.tsx";
import { Note } from "../../parts/note.tsx";

/** Calls of tokens. */
export const tokens = createClient(TokenService, transport);

const HOUR_MS = 3_600_000;

/** The only step of this way. */
export function PersonalTokenStep(props: {
  readonly project: string;
  readonly stream: string;
  readonly secret: string;
  readonly onSecret: (secret: string) => void;
}) {
  return (
    <section className="card stack" aria-labelledby="token-step">
      <h2 id="token-step">1. Personal token</h2>
      <Note kind="warn">
        For testing only: it acts as you, may only push to this stream, and ends after one hour.
      </Note>
      {props.secret ? (
        <p>The token is in the sample below. It is shown only while this page is open.</p>
      ) : (
        <div>
          <ActionButton
            label="Make a token for one hour"
            className="primary"
            call={async () => {
              const made = await tokens.createToken({
                parent: props.project,
                token: {
                  kind: Token_Kind.PERSONAL,
                  description: "Test from the console",
                  resource: props.stream,
                  role: Role.EDITOR,
                  operations: ["api:use-streams-write"],
                  expireTime: timestampFromDate(new Date(Date.now() + HOUR_MS)),
                },
              });
              props.onSecret(made.secret);
            }}
          />
        </div>
      )}
    </section>
  );
}
