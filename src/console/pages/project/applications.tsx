/** The applications of a project: what they may do, and their secrets. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Application, Application_Type } from "#gen/tributary/management/v1/application_pb.js";
import { ApplicationService } from "#gen/tributary/management/v1/application_service_pb.js";
import { faultAt } from "../../api/fault.ts";
import { PAGES } from "../../api/queries.ts";
import { CARD_PAGE, CardList } from "../../parts/card-list.tsx";
import { SecretBox } from "../../parts/copy.tsx";
import { CheckField, TextField } from "../../parts/field.tsx";
import { Form, useSubmit } from "../../parts/form.tsx";
import { MoreButton } from "../../parts/more.tsx";
import { Empty, Loaded } from "../../parts/note.tsx";
import { OperationFields } from "../../parts/operations.tsx";
import { applications } from "../stream/application-step.tsx";
import { ApplicationCard } from "./application-card.tsx";

const CARD_HEIGHT = 270;
const nameOf = ({ name }: Application) => name;

/** The part "Applications". */
export default function Applications({ project }: { readonly project: string }) {
  const [secret, setSecret] = useState("");
  const query = useInfiniteQuery(
    ApplicationService.method.listApplications,
    { parent: project, pageSize: CARD_PAGE, pageToken: "" },
    PAGES,
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
          return (
            <CardList
              label="Applications, newest first"
              items={all}
              keyOf={nameOf}
              heightOfOne={CARD_HEIGHT}
              more={query}
            >
              {(application) => <ApplicationCard application={application} onSecret={setSecret} />}
            </CardList>
          );
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
