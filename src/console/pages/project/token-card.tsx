/** One token: what it may do, and how it is changed, renewed and ended. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link } from "wouter";
import { Token_Kind as Kind, type Token } from "#gen/tributary/management/v1/token_pb.js";
import { faultAt } from "../../api/fault.ts";
import { roleName } from "../../api/roles.ts";
import { ConfirmButton } from "../../parts/confirm.tsx";
import { DialogButton } from "../../parts/dialog-button.tsx";
import { CheckField, TextField } from "../../parts/field.tsx";
import { CancelButton, Form, useSubmit } from "../../parts/form.tsx";
import { NewSecretForm } from "../../parts/new-secret-form.tsx";
import { Time } from "../../parts/time.tsx";
import { tokens } from "../stream/personal-token-step.tsx";

/** A card. The new secret of one that is renewed is shown by the page. */
export function TokenCard(props: {
  readonly token: Token;
  readonly onSecret: (secret: string) => void;
}) {
  const { token, onSecret } = props;
  const title = token.description || token.prefix;
  return (
    <article className="card stack">
      <h2>
        {title} {token.disabled && <span className="badge warn">Disabled</span>}
      </h2>
      <TokenFacts token={token} />
      <div className="actions">
        <DialogButton label="Edit" name={`Edit the token ${title}`} title={`Edit ${title}`}>
          {(close) => <EditForm token={token} onDone={close} />}
        </DialogButton>
        <DialogButton
          label="Refresh"
          name={`Refresh the token ${title}`}
          title={`Refresh ${title}`}
        >
          {(close) => (
            <NewSecretForm
              make={async (overlap) =>
                (await tokens.refreshToken({ name: token.name, overlap })).secret
              }
              onSecret={(secret) => {
                close();
                onSecret(secret);
              }}
            />
          )}
        </DialogButton>
        {token.usedBy === "" && <Delete token={token} title={title} />}
      </div>
    </article>
  );
}

function TokenFacts({ token }: { readonly token: Token }) {
  return (
    <dl>
      <dt>Begins with</dt>
      <dd>
        <code>{token.prefix}…</code>
      </dd>
      <dt>Kind</dt>
      <dd>
        {token.kind === Kind.PERSONAL ? "personal" : "service"}, {roleName(token.role)}
      </dd>
      <dt>Bound to</dt>
      <dd>{token.resource || "the project"}</dd>
      {token.usedBy && (
        <>
          <dt>Used by</dt>
          <dd>
            <Link href={`/${token.usedBy}`}>{token.usedBy}</Link>; it can be deleted once that is
            gone
          </dd>
        </>
      )}
      <dt>May</dt>
      <dd>{token.operations.join(", ")}</dd>
      <dt>Last used</dt>
      <dd>
        <Time at={token.lastUsedTime} />
      </dd>
      <dt>Ends</dt>
      <dd>
        <Time at={token.expireTime} />
      </dd>
      {token.oldSecretEndTime && (
        <>
          <dt>The old secret ends</dt>
          <dd>
            <Time at={token.oldSecretEndTime} />
          </dd>
        </>
      )}
    </dl>
  );
}

function EditForm({ token, onDone }: { readonly token: Token; readonly onDone: () => void }) {
  const queries = useQueryClient();
  const [description, setDescription] = useState(token.description);
  const [usedBy, setUsedBy] = useState(token.usedBy);
  const [disabled, setDisabled] = useState(token.disabled);
  const submit = useSubmit(async () => {
    const { name, etag } = token;
    const paths = [
      ...(description === token.description ? [] : ["description"]),
      ...(usedBy === token.usedBy ? [] : ["used_by"]),
      ...(disabled === token.disabled ? [] : ["disabled"]),
    ];
    if (paths.length > 0) {
      const changed = { name, etag, description, usedBy, disabled };
      await tokens.updateToken({ token: changed, updateMask: { paths } });
      await queries.invalidateQueries();
    }
    onDone();
  });
  return (
    <Form submit={submit} label="Save" beside={<CancelButton onClick={onDone} />}>
      <p className="quiet">
        Role, operations, what it is bound to and its end were settled when it was made: for others,
        make another token.
      </p>
      <TextField
        label="What it is for"
        value={description}
        onChange={setDescription}
        fault={faultAt(submit.faults, "token.description")}
      />
      <TextField
        label="Sink or source that uses it"
        optional
        hint="By its name, such as projects/p/streams/s/sinks/k. The token cannot be deleted while that exists."
        value={usedBy}
        onChange={setUsedBy}
        fault={faultAt(submit.faults, "token.used_by")}
      />
      <CheckField
        label="Disabled: whoever uses it is refused within 5 seconds, until this is taken back"
        checked={disabled}
        onChange={setDisabled}
      />
    </Form>
  );
}

function Delete({ token, title }: { readonly token: Token; readonly title: string }) {
  const queries = useQueryClient();
  return (
    <ConfirmButton
      label="Delete"
      name={`Delete the token ${title}`}
      title={`Delete the token ${title}?`}
      text="Whoever uses it is refused within 5 seconds."
      confirm="Delete the token"
      call={async () => {
        await tokens.deleteToken({ name: token.name });
        await queries.invalidateQueries();
      }}
    />
  );
}
