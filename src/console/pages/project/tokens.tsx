/** The tokens of a project. */
import { timestampFromDate } from "@bufbuild/protobuf/wkt";
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { AccessRule_Role as Role } from "#gen/tributary/access/v1/access_pb.js";
import { Token_Kind as Kind, type Token } from "#gen/tributary/management/v1/token_pb.js";
import { TokenService } from "#gen/tributary/management/v1/token_service_pb.js";
import { faultAt } from "../../api/fault.ts";
import { PAGES } from "../../api/queries.ts";
import { ROLE_CHOICES } from "../../api/roles.ts";
import { CARD_PAGE, CardList } from "../../parts/card-list.tsx";
import { SecretBox } from "../../parts/copy.tsx";
import { SelectField, TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { MoreButton } from "../../parts/more.tsx";
import { Empty, Loaded } from "../../parts/note.tsx";
import { OperationFields } from "../../parts/operations.tsx";
import { tokens } from "../stream/personal-token-step.tsx";
import { TokenCard } from "./token-card.tsx";

const DAY_MS = 86_400_000;
const CARD_HEIGHT = 310;
const nameOf = ({ name }: Token) => name;

/** The part "Tokens". */
export default function Tokens({ project }: { readonly project: string }) {
  const [secret, setSecret] = useState("");
  const query = useInfiniteQuery(
    TokenService.method.listTokens,
    { parent: project, pageSize: CARD_PAGE, pageToken: "" },
    PAGES,
  );
  return (
    <>
      {secret && <SecretBox what="Token" secret={secret} onDone={() => setSecret("")} />}
      <TokenForm project={project} onSecret={setSecret} />
      <Loaded query={query}>
        {({ pages }) => {
          const all = pages.flatMap((page) => page.tokens);
          if (all.length === 0) {
            return (
              <Empty title="No token yet">
                <p>A token is sent as it is, by a program that cannot ask for access tokens.</p>
              </Empty>
            );
          }
          return (
            <CardList
              label="Tokens, newest first"
              items={all}
              keyOf={nameOf}
              heightOfOne={CARD_HEIGHT}
              more={query}
            >
              {(token) => <TokenCard token={token} onSecret={setSecret} />}
            </CardList>
          );
        }}
      </Loaded>
      <MoreButton query={query} />
    </>
  );
}

function TokenForm(props: {
  readonly project: string;
  readonly onSecret: (secret: string) => void;
}) {
  const queries = useQueryClient();
  const [kind, setKind] = useState(Kind.SERVICE);
  const [description, setDescription] = useState("");
  const [resource, setResource] = useState("");
  const [role, setRole] = useState(Role.EDITOR);
  const [days, setDays] = useState(30);
  const [operations, setOperations] = useState(["api:use-streams-write"]);
  const submit = useSubmit(async () => {
    const expireTime = timestampFromDate(new Date(Date.now() + days * DAY_MS));
    const made = await tokens.createToken({
      parent: props.project,
      token: { kind, description, resource, role, operations, expireTime },
    });
    setDescription("");
    props.onSecret(made.secret);
    await queries.invalidateQueries();
  });
  const fault = (name: string) => faultAt(submit.faults, `token.${name}`);
  return (
    <details className="card">
      <summary>Make a token</summary>
      <Form submit={submit} label="Make token">
        <SelectField
          label="Kind"
          value={kind}
          choices={[
            [Kind.SERVICE, "Service token: acts as itself"],
            [Kind.PERSONAL, "Personal token: acts as you, for testing only"],
          ]}
          onChange={setKind}
          fault={fault("kind")}
        />
        <TextField
          label="What it is for"
          value={description}
          onChange={setDescription}
          fault={fault("description")}
        />
        <TextField
          label="Stream, source or sink that it is bound to"
          optional
          hint="By its name, such as projects/p/streams/s; empty for the whole project."
          value={resource}
          onChange={setResource}
          fault={fault("resource")}
        />
        <SelectField
          label="Role"
          value={role}
          choices={ROLE_CHOICES}
          onChange={setRole}
          fault={fault("role")}
        />
        <SelectField
          label="Ends after"
          value={days}
          choices={[
            [1, "1 day"],
            [30, "30 days"],
            [90, "90 days"],
          ]}
          onChange={setDays}
          fault={fault("expire_time")}
        />
        <OperationFields value={operations} onChange={setOperations} />
      </Form>
    </details>
  );
}
