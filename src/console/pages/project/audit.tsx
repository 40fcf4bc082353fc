/** The audit log of a project. */
import { toJsonString } from "@bufbuild/protobuf";
import { createClient } from "@connectrpc/connect";
import { useInfiniteQuery } from "@connectrpc/connect-query";
import { AuditEventSchema } from "#gen/tributary/management/v1/audit_event_pb.js";
import { AuditService } from "#gen/tributary/management/v1/audit_service_pb.js";
import { PAGES } from "../../api/queries.ts";
import { transport } from "../../api/transport.ts";
import { AuditEvents } from "../../parts/audit-events.tsx";
import { DownloadButton } from "../../parts/download.tsx";
import { MoreButton } from "../../parts/more.tsx";
import { Loaded } from "../../parts/note.tsx";

const audits = createClient(AuditService, transport);

/** The part "Audit log". */
export default function Audit({ project }: { readonly project: string }) {
  const query = useInfiniteQuery(
    AuditService.method.listAuditEvents,
    { parent: project, pageToken: "" },
    PAGES,
  );
  return (
    <section className="card stack" aria-labelledby="audit-title">
      <h2 id="audit-title">Audit log</h2>
      <div>
        <DownloadButton
          label="Export as lines of JSON"
          file={`audit-${project.slice(project.indexOf("/") + 1)}.ndjson`}
          type="application/x-ndjson"
          read={() => readAll(project)}
        />
      </div>
      <Loaded query={query}>
        {({ pages }) => (
          <AuditEvents events={pages.flatMap((page) => page.auditEvents)} more={query} />
        )}
      </Loaded>
      <MoreButton query={query} />
    </section>
  );
}

/** Every event, oldest first. */
async function readAll(parent: string): Promise<string> {
  let text = "";
  for await (const { auditEvents } of audits.exportAuditEvents({ parent })) {
    for (const event of auditEvents) text += `${toJsonString(AuditEventSchema, event)}\n`;
  }
  return text;
}
