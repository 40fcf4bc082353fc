/** All projects of the person, and a new one. */
import { createClient } from "@connectrpc/connect";
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { useState } from "react";
import { Link, useLocation } from "wouter";
import type { Project } from "#gen/tributary/management/v1/project_pb.js";
import { ProjectService } from "#gen/tributary/management/v1/project_service_pb.js";
import { faultAt } from "../api/fault.ts";
import { PAGES } from "../api/queries.ts";
import { useSession } from "../api/session.tsx";
import { transport } from "../api/transport.ts";
import { Dialog } from "../parts/dialog.tsx";
import { TextArea, TextField } from "../parts/field.tsx";
import { CancelButton, Form, useSubmit } from "../parts/form.tsx";
import { MoreButton } from "../parts/more.tsx";
import { Empty, Loaded } from "../parts/note.tsx";
import { AlertCount } from "../parts/open-alerts.tsx";
import { Page } from "../parts/page.tsx";
import { Time } from "../parts/time.tsx";
import { type TableColumn, VirtualTable } from "../parts/virtual-table.tsx";

const projects = createClient(ProjectService, transport);
const PAGE_SIZE = 500;
const nameOf = ({ name }: Project) => name;

/** Only rows that are seen are in the page, so only their alerts are asked for. */
const COLUMNS: readonly TableColumn<Project>[] = [
  {
    title: "Name",
    cell: ({ name, displayName }) => (
      <>
        <Link href={`/${name}`}>{displayName || name}</Link> <AlertCount project={name} />
      </>
    ),
  },
  { title: "Description", cell: ({ description }) => description },
  { title: "Id", cell: ({ name }) => <code>{name}</code> },
  { title: "Made", cell: ({ createTime }) => <Time at={createTime} /> },
];

/** The page at `/`. */
export function Projects() {
  const [isOpen, setOpen] = useState(false);
  const query = useInfiniteQuery(
    ProjectService.method.listProjects,
    { pageSize: PAGE_SIZE, pageToken: "" },
    PAGES,
  );
  return (
    <Page
      title="Projects"
      actions={
        <button
          type="button"
          className="primary"
          aria-haspopup="dialog"
          onClick={() => setOpen(true)}
        >
          Create project
        </button>
      }
    >
      <Loaded query={query}>
        {({ pages }) => {
          const all = pages.flatMap((page) => page.projects);
          if (all.length === 0) {
            return (
              <Empty title="No project yet">
                <p>
                  A project holds streams, the applications that push, and the people who share
                  them.
                </p>
                <p>Create one with the button at the top, or accept an invitation.</p>
              </Empty>
            );
          }
          return (
            <VirtualTable
              label="Projects, newest first"
              columns={COLUMNS}
              rows={all}
              keyOf={nameOf}
              more={query}
            />
          );
        }}
      </Loaded>
      <MoreButton query={query} />
      {isOpen && (
        <Dialog title="Create project" onClose={() => setOpen(false)}>
          <ProjectForm onCancel={() => setOpen(false)} />
        </Dialog>
      )}
    </Page>
  );
}

function ProjectForm({ onCancel }: { readonly onCancel: () => void }) {
  const { refresh } = useSession();
  const [, navigate] = useLocation();
  const [displayName, setDisplayName] = useState("");
  const [description, setDescription] = useState("");
  const [isTouched, setTouched] = useState(false);
  const isBlank = displayName.trim() === "";
  const submit = useSubmit(async () => {
    setTouched(true);
    if (isBlank) return;
    const { project } = await projects.createProject({ project: { displayName, description } });
    await refresh();
    navigate(`/${project?.name}`);
  });
  const blank = isTouched && isBlank ? "Give the project a name." : undefined;
  return (
    <Form submit={submit} label="Next" beside={<CancelButton onClick={onCancel} />}>
      <TextField
        label="Name"
        value={displayName}
        onChange={setDisplayName}
        fault={
          blank ??
          faultAt(submit.faults, "project_id") ??
          faultAt(submit.faults, "project.display_name")
        }
      />
      <TextArea
        label="Description"
        optional
        value={description}
        onChange={setDescription}
        fault={faultAt(submit.faults, "project.description")}
      />
    </Form>
  );
}
