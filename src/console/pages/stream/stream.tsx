/** A stream with its parts. */
import { useQuery } from "@connectrpc/connect-query";
import { type ComponentType, Suspense } from "react";
import { Redirect } from "wouter";
import type { Stream as StreamMessage } from "#gen/tributary/management/v1/stream_pb.js";
import { StreamService } from "#gen/tributary/management/v1/stream_service_pb.js";
import { MAIN } from "../../api/log-place.ts";
import { later } from "../../parts/later.tsx";
import { Loaded, Loading } from "../../parts/note.tsx";
import { OpenAlerts } from "../../parts/open-alerts.tsx";
import { Page, PartLinks } from "../../parts/page.tsx";
import { Live } from "./live.tsx";

/** What each part of the page gets. */
export interface StreamPart {
  readonly stream: StreamMessage;
  /** Id of the branch that the part is about. */
  readonly branch: string;
  /** What follows the part in the address, such as the id of a sink. */
  readonly id: string | undefined;
  readonly more: string | undefined;
  readonly last?: string | undefined;
}

const PARTS: Readonly<Record<string, ComponentType<StreamPart>>> = {
  live: Live,
  records: later(() => import("./records.tsx")),
  connect: later(() => import("./connect.tsx")),
  schema: later(() => import("./schema.tsx")),
  share: later(() => import("./share.tsx")),
  sources: later(() => import("./sources.tsx")),
  sinks: later(() => import("../sinks/sinks.tsx")),
  statistics: later(() => import("./statistics.tsx")),
  trace: later(() => import("./trace.tsx")),
  branches: later(() => import("./branches.tsx")),
  versions: later(() => import("./stream-versions.tsx")),
  settings: later(() => import("./stream-settings.tsx")),
};

/** The page of a stream. */
export default function Stream({
  params,
}: {
  readonly params: {
    readonly p: string;
    readonly s: string;
    readonly part?: string;
    readonly id?: string;
    readonly more?: string;
    readonly last?: string;
  };
}) {
  const project = `projects/${params.p}`;
  const name = `${project}/streams/${params.s}`;
  const query = useQuery(StreamService.method.getStream, { name });
  const Part = PARTS[params.part ?? ""];
  if (!Part) return <Redirect to={`/${name}/live`} replace />;
  return (
    <Loaded query={query}>
      {({ stream }) =>
        stream && (
          <Page
            title={stream.displayName || name}
            crumbs={[
              ["Projects", "/"],
              [project, `/${project}`],
            ]}
          >
            {stream.description && <p>{stream.description}</p>}
            <PartLinks
              label="Parts of the stream"
              current={`/${name}/${params.part}`}
              parts={[
                ["Live", `/${name}/live`],
                ["Records", `/${name}/records`],
                ["Connect", `/${name}/connect`],
                ["Schema", `/${name}/schema`],
                ["Share", `/${name}/share`],
                ["Sources", `/${name}/sources`],
                ["Sinks", `/${name}/sinks`],
                ["Statistics", `/${name}/statistics`],
                ["Trace", `/${name}/trace`],
                ["Branches", `/${name}/branches`],
                ["Versions", `/${name}/versions`],
                ["Settings", `/${name}/settings`],
              ]}
            />
            <OpenAlerts project={project} resource={name} />
            <Suspense fallback={<Loading />}>
              <Part
                stream={stream}
                branch={MAIN}
                id={params.id}
                more={params.more}
                last={params.last}
              />
            </Suspense>
          </Page>
        )
      }
    </Loaded>
  );
}
