/** The applications of a project: what they may do, and their secrets. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Application, Application_Type } from "#gen/tributary/management/v1/application_pb.js";
import { ApplicationService } from "#gen/tributary/management/v1/application_service_pb.js";
import { faultAt } from "../../api/fault.ts";
import { ConfirmButton } from "../../parts/confirm.tsx";
import { CopyLine, SecretBox } from "../../parts/copy.tsx";
import { CheckField, TextField } from "../../parts/field.tsx";
import { ActionButton, Form, useSubmit } from "../../parts/form.tsx";
import { MoreButton } from "../../parts/more.tsx";
import { Empty, Loaded } from "../../parts/note.tsx";
import { OperationFields } from "../../parts/operations.tsx";
import { Time } from "../../parts/time.tsx";
import { applications } from "../stream/application-step.tsx";

/** The part "Applications". */
export default function Applications({ project }: { readonly project: string }) {
  const [secret, setSecret] = useState("");
  const query = useInfiniteQuery(
    ApplicationService.method.listApplications,
    { parent: project, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: (page) => page.nextPageToken || undefined },
  );
  return (
    <>
      {secret && <SecretBox what="Client secret" secret={secret} onDone={() => setSecret("")} />}
      <RegisterForm project={project} onSecret={setSecret} />
      <Loaded query={query}>
        {({ pages }) => {
          const all = pages.flatMap((page) => page.applications);
          if (all.length === 0) {
            return (
              <Empty title="No application yet">
                <p>An application is a program that pushes or reads with a client id and secret.</p>
              </Empty>
            );
          }
          return all.map((each) => (
            <ApplicationCard key={each.name} application={each} onSecret={setSecret} />
          ));
        }}
      </Loaded>
      <MoreButton query={query} />
    </>
  );
}

function RegisterForm(props: {
  readonly project: string;
  readonly onSecret: (secret: string) => void;
}) {
  const queries = useQueryClient();
  const [displayName, setDisplayName] = useState("");
  const [isEnabled, setEnabled] = useState(true);
  const [operations, setOperations] = useState(["api:use-streams-write"]);
  const submit = useSubmit(async () => {
    const made = await applications.createApplication({
      parent: props.project,
      application: {
        displayName,
        operations,
        type: Application_Type.SERVER,
        clientCredentialsEnabled: isEnabled,
      },
    });
    setDisplayName("");
    props.onSecret(made.clientSecret);
    await queries.invalidateQueries();
  });
  return (
    <details className="card">
      <summary>Register an application</summary>
      <Form submit={submit} label="Register application">
        <TextField
          label="Name"
          value={displayName}
          onChange={setDisplayName}
          hint="Its type is server application: it can keep a secret."
          fault={
            faultAt(submit.faults, "application_id") ??
            faultAt(submit.faults, "application.display_name")
          }
        />
        <CheckField
          label="Client credentials grant: it gets tokens with its id and secret"
          checked={isEnabled}
          onChange={setEnabled}
        />
        <OperationFields value={operations} onChange={setOperations} />
      </Form>
    </details>
  );
}

function ApplicationCard(props: {
  readonly application: Application;
  readonly onSecret: (secret: string) => void;
}) {
  const { application } = props;
  const { name, etag, clientId } = application;
  const queries = useQueryClient();
  const title = application.displayName || name;
  const update = async (
    change: { disabled?: boolean; clientCredentialsEnabled?: boolean },
    path: string,
  ) => {
    await applications.updateApplication({
      application: { name, etag, ...change },
      updateMask: { paths: [path] },
    });
    await queries.invalidateQueries();
  };
  return (
    <article className="card stack">
      <h2>
        {title} {application.disabled && <span className="badge warn">Disabled</span>}
      </h2>
      <CopyLine text={clientId} what={`the client id of ${title}`} />
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
      <div className="actions">
        <ActionButton
          label="Rotate secret"
          call={async () => {
            const answer = await applications.rotateApplicationSecret({ name });
            props.onSecret(answer.clientSecret);
            await queries.invalidateQueries();
          }}
        />
        <ActionButton
          label={application.clientCredentialsEnabled ? "Turn grant off" : "Turn grant on"}
          call={() =>
            update(
              { clientCredentialsEnabled: !application.clientCredentialsEnabled },
              "client_credentials_enabled",
            )
          }
        />
        <ActionButton
          label={application.disabled ? "Enable" : "Disable"}
          call={() => update({ disabled: !application.disabled }, "disabled")}
        />
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
      </div>
    </article>
  );
}
