/** The audit log of a project. */
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { AuditService } from "#gen/tributary/management/v1/audit_service_pb.js";
import { AuditEvents } from "../../parts/audit-events.tsx";
import { MoreButton } from "../../parts/more.tsx";
import { Loaded } from "../../parts/note.tsx";

/** The part "Audit log". */
export default function Audit({ project }: { readonly project: string }) {
  const query = useInfiniteQuery(
    AuditService.method.listAuditEvents,
    { parent: project, pageToken: "" },
    { pageParamKey: "pageToken", getNextPageParam: (page) => page.nextPageToken || undefined },
  );
  return (
    <section className="card stack" aria-labelledby="audit-title">
      <h2 id="audit-title">Audit log</h2>
      <Loaded query={query}>
        {({ pages }) => (
          <AuditEvents events={pages.flatMap((page) => page.auditEvents)} more={query} />
        )}
      </Loaded>
      <MoreButton query={query} />
    </section>
  );
}
