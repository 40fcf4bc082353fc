/** The tokens that were made with a sink, renewed together. */
import { createClient } from "@connectrpc/connect";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import {
  type RefreshSinkTokensResponse_RefreshedToken as Refreshed,
  TokenService,
} from "#gen/tributary/management/v1/token_service_pb.js";
import { faultAt } from "../../api/fault.ts";
import { transport } from "../../api/transport.ts";
import { SecretBox } from "../../parts/copy.tsx";
import { SelectField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";

const tokens = createClient(TokenService, transport);

const OVERLAPS = [
  [0, "None: the old tokens end at once"],
  [3_600, "1 hour"],
  [86_400, "1 day"],
  [604_800, "7 days"],
] as const;

/** The form; each new secret is shown once. */
export function SinkTokens({ sink: parent }: { readonly sink: string }) {
  const queries = useQueryClient();
  const [overlap, setOverlap] = useState<number>(3_600);
  const [fresh, setFresh] = useState<readonly Refreshed[]>([]);
  const [words, setWords] = useState("");
  const submit = useSubmit(async () => {
    const seconds = BigInt(overlap);
    const answer = await tokens.refreshSinkTokens({ parent, overlap: { seconds } });
    setFresh(answer.tokens);
    setWords(answer.tokens.length === 0 ? "This sink has no tokens." : "");
    await queries.invalidateQueries();
  });
  const [first, ...rest] = fresh;
  return (
    <section className="card stack" aria-labelledby="sink-tokens">
      <h2 id="sink-tokens">Tokens of this sink</h2>
      {first ? (
        <SecretBox
          key={first.secret}
          what={first.token?.description || "New token"}
          secret={first.secret}
          onDone={() => setFresh(rest)}
        />
      ) : (
        <Form submit={submit} label="Renew its tokens">
          <SelectField
            label="How long the old tokens work on"
            value={overlap}
            choices={OVERLAPS}
            onChange={setOverlap}
            fault={faultAt(submit.faults, "overlap")}
          />
          <p role="status">{words}</p>
        </Form>
      )}
    </section>
  );
}
