/** A branch of a stream, with the parts that a log has. */
import { useQuery } from "@connectrpc/connect-query";
import { type ComponentType, Suspense } from "react";
import { Link, Redirect } from "wouter";
import { Branch_State as State } from "#gen/tributary/management/v1/stream_pb.js";
import { StreamService } from "#gen/tributary/management/v1/stream_service_pb.js";
import { addressOf, MAIN } from "../../api/log-place.ts";
import { later } from "../../parts/later.tsx";
import { Loaded, Loading, Note } from "../../parts/note.tsx";
import { PartLinks } from "../../parts/page.tsx";
import { BranchBadge } from "./branch-badge.tsx";
import { Live } from "./live.tsx";
import type { StreamPart } from "./stream.tsx";

const REFRESH_MS = 3_000;

const PARTS: readonly (readonly [string, string, ComponentType<StreamPart>])[] = [
  ["live", "Live", Live],
  ["records", "Records", later(() => import("./records.tsx"))],
  ["connect", "Connect", later(() => import("./connect.tsx"))],
  ["sinks", "Sinks", later(() => import("../sinks/sinks.tsx"))],
  ["share", "Share", later(() => import("./share.tsx"))],
];

/** The page of a branch; `main` is looked at on the pages of the stream. */
export function BranchPage(props: {
  readonly part: StreamPart;
  readonly branch: string;
  /** Which part of the branch, and what follows it. */
  readonly at: string | undefined;
  readonly id: string | undefined;
}) {
  const { branch, at = "", id } = props;
  const { stream } = props.part;
  const place = addressOf({ stream: stream.name, branch });
  const name = `${stream.name}/branches/${branch}`;
  const query = useQuery(
    StreamService.method.getBranch,
    { name },
    { refetchInterval: REFRESH_MS, enabled: branch !== MAIN },
  );
  const [, , Part] = PARTS.find(([each]) => each === at) ?? [];
  if (branch === MAIN || !Part) return <Redirect to={`${place}/live`} replace />;
  return (
    <Loaded query={query}>
      {({ branch: found }) => (
        <>
          <section className="card stack" aria-labelledby="branch-title">
            <h2 id="branch-title">
              Branch {branch} <BranchBadge state={found?.state} />
            </h2>
            <p className="quiet">
              A log of its own with the schema and the roles of the stream.{" "}
              <Link href={`/${stream.name}/branches`}>All branches</Link>
            </p>
            {found?.state === State.COPYING && (
              <Note>
                Records of {found.copyOf} are being copied; the branch can be used when that is
                done.
              </Note>
            )}
          </section>
          <PartLinks
            label="Parts of the branch"
            current={`${place}/${at}`}
            parts={PARTS.map(([each, title]) => [title, `${place}/${each}`])}
          />
          <Suspense fallback={<Loading />}>
            <Part stream={stream} branch={branch} id={id} more={undefined} key={at} />
          </Suspense>
        </>
      )}
    </Loaded>
  );
}
