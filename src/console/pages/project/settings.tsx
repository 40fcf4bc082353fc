/** Title, quotas and end of a project. */
import { createClient } from "@connectrpc/connect";
import { useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useLocation } from "wouter";
import { InstallationService } from "#gen/tributary/management/v1/installation_service_pb.js";
import type { Project } from "#gen/tributary/management/v1/project_pb.js";
import { ProjectService } from "#gen/tributary/management/v1/project_service_pb.js";
import { faultAt } from "../../api/fault.ts";
import { transport } from "../../api/transport.ts";
import { ConfirmButton } from "../../parts/confirm.tsx";
import { TextArea, TextField } from "../../parts/field.tsx";
import { whole } from "../../parts/figures.ts";
import { Form, useSubmit } from "../../parts/form.tsx";
import { Loaded } from "../../parts/note.tsx";
import { Ownership } from "./ownership.tsx";

const projects = createClient(ProjectService, transport);

/** The part "Settings". */
export default function Settings({ project }: { readonly project: string }) {
  const query = useQuery(ProjectService.method.getProject, { name: project });
  return (
    <>
      <Loaded query={query}>
        {(answer) =>
          answer.project && <TitleForm project={answer.project} key={answer.project.etag} />
        }
      </Loaded>
      <Ownership project={project} />
      <Quotas project={project} />
    </>
  );
}

function TitleForm({ project }: { readonly project: Project }) {
  const queries = useQueryClient();
  const [, navigate] = useLocation();
  const [displayName, setDisplayName] = useState(project.displayName);
  const [description, setDescription] = useState(project.description);
  const { name, etag } = project;
  const submit = useSubmit(async () => {
    await projects.updateProject({
      project: { name, etag, displayName, description },
      updateMask: { paths: ["display_name", "description"] },
    });
    await queries.invalidateQueries();
  });
  return (
    <section className="card stack" aria-labelledby="title-title">
      <h2 id="title-title">Project</h2>
      <Form
        submit={submit}
        label="Save"
        beside={
          <ConfirmButton
            label="Delete the project"
            title={`Delete ${project.displayName || name}?`}
            text="Its streams, records, sinks and applications go with it."
            confirm="Delete the whole project"
            call={async () => {
              await projects.deleteProject({ name, etag });
              await queries.invalidateQueries();
              navigate("/");
            }}
          />
        }
      >
        <TextField
          label="Name"
          value={displayName}
          onChange={setDisplayName}
          fault={faultAt(submit.faults, "project.display_name")}
        />
        <TextArea
          label="Description"
          optional
          value={description}
          onChange={setDescription}
          fault={faultAt(submit.faults, "project.description")}
        />
      </Form>
    </section>
  );
}

function Quotas({ project }: { readonly project: string }) {
  const query = useQuery(InstallationService.method.getProjectQuotas, { name: project });
  return (
    <section className="card stack" aria-labelledby="quotas-title">
      <h2 id="quotas-title">Quotas</h2>
      <Loaded query={query}>
        {({ quotas }) => (
          <dl>
            {quotas.map((quota) => (
              <div className="pair" key={quota.name}>
                <dt>{quota.name.replaceAll("_", " ")}</dt>
                <dd>
                  {quota.used !== undefined && `${whole(quota.used)} of `}
                  {quota.limit === 0n ? "any number" : whole(quota.limit)}
                </dd>
              </div>
            ))}
          </dl>
        )}
      </Loaded>
    </section>
  );
}
