/** Chooses or registers the application that pushes. */
import { createClient } from "@connectrpc/connect";
import { useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Application_Type } from "#gen/tributary/management/v1/application_pb.js";
import { ApplicationService } from "#gen/tributary/management/v1/application_service_pb.js";
import { faultAt } from "../../api/fault.ts";
import { transport } from "../../api/transport.ts";
import { CopyLine } from "../../parts/copy.tsx";
import { SelectField, TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { Note } from "../../parts/note.tsx";

/** Calls of applications. */
export const applications = createClient(ApplicationService, transport);

/** Who pushes; the secret is known only right after it was made or typed. */
export interface Credentials {
  readonly clientId: string;
  readonly secret: string;
}

const LIST_MAX = 1_000;

/** The first step. */
export function ApplicationStep(props: {
  readonly project: string;
  readonly credentials: Credentials;
  readonly onCredentials: (credentials: Credentials) => void;
}) {
  const { project, credentials, onCredentials } = props;
  const parent = project;
  const list = useQuery(ApplicationService.method.listApplications, { parent, pageSize: LIST_MAX });
  const known = list.data?.applications ?? [];
  return (
    <section className="card stack" aria-labelledby="application-step">
      <h2 id="application-step">1. Application</h2>
      {known.length > 0 && (
        <SelectField
          label="Application"
          value={credentials.clientId}
          choices={[
            ["", "Register a new one"],
            ...known.map(
              ({ clientId, displayName }) => [clientId, displayName || clientId] as const,
            ),
          ]}
          onChange={(clientId) => onCredentials({ clientId, secret: "" })}
        />
      )}
      {credentials.clientId === "" ? (
        <RegisterForm project={project} onCredentials={onCredentials} />
      ) : (
        <Known credentials={credentials} onCredentials={onCredentials} />
      )}
    </section>
  );
}

function RegisterForm(props: {
  readonly project: string;
  readonly onCredentials: (credentials: Credentials) => void;
}) {
  const queries = useQueryClient();
  const [displayName, setDisplayName] = useState("");
  const submit = useSubmit(async () => {
    const application = {
      displayName,
      type: Application_Type.SERVER,
      clientCredentialsEnabled: true,
      operations: ["api:use-streams-write"],
    };
    const made = await applications.createApplication({ parent: props.project, application });
    await queries.invalidateQueries();
    props.onCredentials({
      clientId: made.application?.clientId ?? "",
      secret: made.clientSecret,
    });
  });
  return (
    <Form submit={submit} label="Register application">
      <p>
        A server application with the client credentials grant, whose tokens may only push (
        <code>api:use-streams-write</code>).
      </p>
      <TextField
        label="Name of the application"
        value={displayName}
        onChange={setDisplayName}
        fault={
          faultAt(submit.faults, "application_id") ??
          faultAt(submit.faults, "application.display_name")
        }
      />
    </Form>
  );
}

function Known(props: {
  readonly credentials: Credentials;
  readonly onCredentials: (credentials: Credentials) => void;
}) {
  const { clientId, secret } = props.credentials;
  return (
    <>
      <p>Client id</p>
      <CopyLine text={clientId} what="the client id" />
      {secret && (
        <Note kind="warn">
          <p>
            The client secret is in the sample below and shown only while this page is open. Copy it
            now: it cannot be read again, only rotated under Applications.
          </p>
        </Note>
      )}
      <TextField
        label="Client secret"
        optional
        type="password"
        hint="Filled into the sample; without it the sample reads CLIENT_SECRET of its environment."
        value={secret}
        onChange={(next) => props.onCredentials({ clientId, secret: next })}
      />
    </>
  );
}
