/** A project with its parts. */
import { useQuery } from "@connectrpc/connect-query";
import { Suspense } from "react";
import { Link } from "wouter";
import { ProjectService } from "#gen/tributary/management/v1/project_service_pb.js";
import { later } from "../../parts/later.tsx";
import { Loaded, Loading } from "../../parts/note.tsx";
import { OpenAlerts } from "../../parts/open-alerts.tsx";
import { Page, PartLinks } from "../../parts/page.tsx";
import { Streams } from "./streams.tsx";

const PARTS = {
  applications: later(() => import("./applications.tsx")),
  tokens: later(() => import("./tokens.tsx")),
  members: later(() => import("./members.tsx")),
  alerts: later(() => import("./alerts.tsx")),
  tasks: later(() => import("./tasks.tsx")),
  audit: later(() => import("./audit.tsx")),
  usage: later(() => import("./usage.tsx")),
  deleted: later(() => import("./deleted.tsx")),
  settings: later(() => import("./settings.tsx")),
} as const;

/** The page of a project. */
export default function Project({
  params,
}: {
  readonly params: { readonly p: string; readonly part?: string };
}) {
  const name = `projects/${params.p}`;
  const query = useQuery(ProjectService.method.getProject, { name });
  const Part = PARTS[params.part as keyof typeof PARTS];
  return (
    <Loaded query={query}>
      {({ project }) => (
        <Page
          title={project?.displayName || name}
          crumbs={[["Projects", "/"]]}
          actions={
            <Link href={`/${name}/new-stream`} className="button primary">
              New stream
            </Link>
          }
        >
          {project?.description && <p>{project.description}</p>}
          <PartLinks
            label="Parts of the project"
            current={params.part ? `/${name}/${params.part}` : `/${name}`}
            parts={[
              ["Streams", `/${name}`],
              ["Applications", `/${name}/applications`],
              ["Tokens", `/${name}/tokens`],
              ["Members", `/${name}/members`],
              ["Alerts", `/${name}/alerts`],
              ["Tasks", `/${name}/tasks`],
              ["Audit log", `/${name}/audit`],
              ["Usage", `/${name}/usage`],
              ["Deleted", `/${name}/deleted`],
              ["Settings", `/${name}/settings`],
            ]}
          />
          {params.part !== "alerts" && <OpenAlerts project={name} />}
          <Suspense fallback={<Loading />}>
            {Part ? <Part project={name} /> : <Streams project={name} />}
          </Suspense>
        </Page>
      )}
    </Loaded>
  );
}
