/** Shares the stream with the application, so that its pushes are taken. */
import { createClient } from "@connectrpc/connect";
import { useQuery } from "@connectrpc/connect-query";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { AccessRule_Role as Role } from "#gen/tributary/access/v1/access_pb.js";
import { AccessService } from "#gen/tributary/management/v1/access_service_pb.js";
import { transport } from "../../api/transport.ts";
import { ActionButton } from "../../parts/form.tsx";

/** Calls of grants. */
export const access = createClient(AccessService, transport);

const LIST_MAX = 1_000;

/** The second step. */
export function ShareStep(props: {
  readonly stream: string;
  readonly clientId: string;
  readonly isShared: boolean;
  readonly onShared: (isShared: boolean) => void;
}) {
  const { stream, clientId, isShared, onShared } = props;
  const queries = useQueryClient();
  const request = { parent: stream, pageSize: LIST_MAX };
  const list = useQuery(AccessService.method.listGrants, request, { enabled: clientId !== "" });
  const has = list.data?.grants.some(
    (grant) => grant.clientId === clientId && grant.role >= Role.EDITOR,
  );
  useEffect(() => {
    if (has && !isShared) onShared(true);
  }, [has, isShared, onShared]);
  return (
    <section className="card stack" aria-labelledby="share-step">
      <h2 id="share-step">2. Share</h2>
      {clientId === "" && <p className="quiet">Opens when there is an application.</p>}
      {clientId !== "" && isShared && <p>The application may push to this stream.</p>}
      {clientId !== "" && !isShared && (
        <>
          <p>Until the stream is shared with the application, its pushes are refused.</p>
          <div>
            <ActionButton
              label="Share as Editor"
              className="primary"
              call={async () => {
                const grant = { clientId, role: Role.EDITOR };
                await access.createGrant({ parent: stream, grant });
                await queries.invalidateQueries();
                onShared(true);
              }}
            />
          </div>
        </>
      )}
    </section>
  );
}
