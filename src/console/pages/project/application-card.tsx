/** One application: what it may do, and how it is changed, given a new secret and ended. */
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Application } from "#gen/tributary/management/v1/application_pb.js";
import { faultAt } from "../../api/fault.ts";
import { ConfirmButton } from "../../parts/confirm.tsx";
import { CopyLine } from "../../parts/copy.tsx";
import { DialogButton } from "../../parts/dialog-button.tsx";
import { CheckField, TextField } from "../../parts/field.tsx";
import { CancelButton, Form, useSubmit } from "../../parts/form.tsx";
import { NewSecretForm } from "../../parts/new-secret-form.tsx";
import { OperationFields } from "../../parts/operations.tsx";
import { Time } from "../../parts/time.tsx";
import { applications } from "../stream/application-step.tsx";

/** A card. A new secret is shown by the page. */
export function ApplicationCard(props: {
  readonly application: Application;
  readonly onSecret: (secret: string) => void;
}) {
  const { application, onSecret } = props;
  const { name, clientId } = application;
  const title = application.displayName || name;
  return (
    <article className="card stack">
      <h2>
        {title} {application.disabled && <span className="badge warn">Disabled</span>}
      </h2>
      <CopyLine text={clientId} what={`the client id of ${title}`} />
      <ApplicationFacts application={application} />
      <div className="actions">
        <DialogButton label="Edit" name={`Edit ${title}`} title={`Edit ${title}`}>
          {(close) => <EditForm application={application} onDone={close} />}
        </DialogButton>
        <DialogButton
          label="Rotate secret"
          name={`Rotate secret of ${title}`}
          title={`Rotate the secret of ${title}`}
        >
          {(close) => (
            <NewSecretForm
              make={async (overlap) =>
                (await applications.rotateApplicationSecret({ name, overlap })).clientSecret
              }
              onSecret={(secret) => {
                close();
                onSecret(secret);
              }}
            />
          )}
        </DialogButton>
        <Delete name={name} title={title} />
      </div>
    </article>
  );
}

function ApplicationFacts({ application }: { readonly application: Application }) {
  return (
    <dl>
      <dt>May</dt>
      <dd>{application.operations.join(", ") || "everything that its roles give"}</dd>
      <dt>Client credentials</dt>
      <dd>{application.clientCredentialsEnabled ? "on" : "off"}</dd>
      <dt>Secrets</dt>
      <dd>{application.secretHints.map((hint) => `${hint}…`).join(", ") || "none"}</dd>
      <dt>Last used</dt>
      <dd>
        <Time at={application.lastUsedTime} />
      </dd>
    </dl>
  );
}

function EditForm(props: { readonly application: Application; readonly onDone: () => void }) {
  const { application, onDone } = props;
  const queries = useQueryClient();
  const [displayName, setDisplayName] = useState(application.displayName);
  const [operations, setOperations] = useState<string[]>(application.operations);
  const [clientCredentialsEnabled, setEnabled] = useState(application.clientCredentialsEnabled);
  const [disabled, setDisabled] = useState(application.disabled);
  const submit = useSubmit(async () => {
    const { name, etag } = application;
    await applications.updateApplication({
      application: { name, etag, displayName, operations, clientCredentialsEnabled, disabled },
      updateMask: {
        paths: ["display_name", "operations", "client_credentials_enabled", "disabled"],
      },
    });
    await queries.invalidateQueries();
    onDone();
  });
  return (
    <Form submit={submit} label="Save" beside={<CancelButton onClick={onDone} />}>
      <TextField
        label="Name"
        value={displayName}
        onChange={setDisplayName}
        fault={faultAt(submit.faults, "application.display_name")}
      />
      <CheckField
        label="Client credentials grant: it gets tokens with its id and secret"
        checked={clientCredentialsEnabled}
        onChange={setEnabled}
      />
      <OperationFields value={operations} onChange={setOperations} />
      <CheckField
        label="Disabled: it and its tokens are refused within 5 seconds, until this is taken back"
        checked={disabled}
        onChange={setDisabled}
      />
    </Form>
  );
}

function Delete({ name, title }: { readonly name: string; readonly title: string }) {
  const queries = useQueryClient();
  return (
    <ConfirmButton
      label="Delete"
      name={`Delete ${title}`}
      title={`Delete ${title}?`}
      text="Its tokens are refused within 5 seconds, and its roles go with it."
      confirm="Delete the application"
      call={async () => {
        await applications.deleteApplication({ name });
        await queries.invalidateQueries();
      }}
    />
  );
}
